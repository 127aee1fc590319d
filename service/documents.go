package service

import (
	"os"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/signer"
)

// Documents are a customer's issuer documents, as clouds fetch them below its
// issuer's URL. They hold public keys only.
type Documents struct {
	Customer  brevet.Customer
	Issuer    string
	Discovery []byte // at signer.DiscoveryPath
	JWKS      []byte // at signer.JWKSPath
}

// IssuerDocuments returns the documents of every customer in the catalog, in
// its order. A customer that has no key yet gets one, as a start of the server
// would give it. It opens no database, so it may run beside the server.
func IssuerDocuments(cfg Config, opt Options) ([]Documents, error) {
	_, cat, err := readCatalog(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.RootKey); err != nil { // signer would make one beside an empty folder
		return nil, brevet.Errorf(brevet.Invalid, "root_key: cannot read %s", cfg.RootKey).WithHint("brevetd serve makes the keys when it first starts").WithCause(err)
	}
	keys, err := openKeys(cfg, opt, cat.Issuer)
	if err != nil {
		return nil, err
	}
	return documentsOf(keys, cat.Customers)
}

func documentsOf(keys *signer.Keys, customers []brevet.Customer) ([]Documents, error) {
	var out []Documents
	for _, k := range customers {
		if err := keys.Ensure(k.ID); err != nil {
			return nil, err
		}
		d := Documents{Customer: k, Issuer: keys.IssuerOf(k.ID)}
		var err error
		if d.Discovery, err = keys.Discovery(k.ID); err != nil {
			return nil, err
		}
		if d.JWKS, err = keys.JWKS(k.ID); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}
