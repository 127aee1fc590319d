package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/brevet-access/brevet"
)

// Entry by AssumeRole. The broker's own role calls it, signed with that
// role's credentials, and names the customer by its external id. What a
// token says otherwise goes in as parameters: tags and source identity.

// assumeRole turns the parameters of a web identity's call into those of
// AssumeRole.
func assumeRole(form url.Values, i brevet.Issue) {
	form.Set("Action", "AssumeRole")
	form.Set("ExternalId", i.Account.ExternalID)
	form.Set("SourceIdentity", string(i.SourceIdentity()))
	t := tags(i)
	for n, key := range slices.Sorted(maps.Keys(t)) {
		member := "Tags.member." + strconv.Itoa(n+1)
		form.Set(member+".Key", key)
		form.Set(member+".Value", t[key])
	}
}

// sign signs a call of STS (Signature Version 4).
func (c *Cloud) sign(r *http.Request, body []byte, own sdk.Credentials, region string) error {
	digest := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(r.Context(), own, r, hex.EncodeToString(digest[:]), "sts", region, c.cfg.Now().UTC())
}

// How the broker's own credentials are kept.
const (
	purseTimeout = 5 * time.Second // to fetch them
	purseAhead   = 2 * time.Minute // renewed this long before they expire
)

// purse holds the broker's own credentials, and fetches them when they are
// first needed and whenever they run out.
type purse struct {
	given func(context.Context) (brevet.Credential, error)

	mu    sync.Mutex
	cache *sdk.CredentialsCache // nil until they are needed
}

func newPurse(given func(context.Context) (brevet.Credential, error)) *purse {
	return &purse{given: given}
}

// open returns the credentials. The error is of kind cloud: AWS was not asked
// for a session, so none was made.
func (p *purse) open(ctx context.Context) (*sdk.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, purseTimeout)
	defer cancel()
	cache, err := p.source(ctx)
	if err != nil {
		return nil, noPurse(err)
	}
	own, err := cache.Retrieve(ctx)
	if err != nil {
		return nil, noPurse(err)
	}
	return &own, nil
}

func noPurse(cause error) error {
	return brevet.Errorf(brevet.CloudRefused, "the server has no AWS credentials of its own, which it needs to enter this account").
		WithHint("whoever runs the server gives it the broker's role: docs/entry.md").WithCause(cause)
}

// empty forgets the credentials: AWS does not take them any more.
func (p *purse) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cache != nil {
		p.cache.Invalidate()
	}
}

func (p *purse) source(ctx context.Context) (*sdk.CredentialsCache, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cache != nil {
		return p.cache, nil
	}
	var from sdk.CredentialsProvider = sdk.CredentialsProviderFunc(p.retrieve)
	if p.given == nil {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		from = cfg.Credentials
	}
	p.cache = sdk.NewCredentialsCache(from, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = purseAhead })
	return p.cache, nil
}

func (p *purse) retrieve(ctx context.Context) (sdk.Credentials, error) {
	c, err := p.given(ctx)
	if err != nil {
		return sdk.Credentials{}, err
	}
	return sdk.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		CanExpire: !c.Expires.IsZero(), Expires: c.Expires, Source: "brevet"}, nil
}

// stale are the codes with which STS turns the broker's own credentials down.
var stale = map[string]bool{"ExpiredToken": true, "ExpiredTokenException": true, "InvalidClientTokenId": true, "UnrecognizedClientException": true}

// brokerHint is hint for what goes wrong only with AssumeRole.
func (r *refusal) brokerHint(a brevet.Account) string {
	switch {
	case r.code == "AccessDenied":
		return fmt.Sprintf("the role is missing in %s or does not trust %s with this external id and contract %d, or that role's own policy does not let it in: docs/entry.md", a.Name, a.Broker, a.Contract)
	case stale[r.code]:
		return "AWS does not know the server's own credentials any more: docs/entry.md says where it takes them from"
	case r.code == "SignatureDoesNotMatch" || r.code == "RequestExpired":
		return "compare the server's clock with the time, and its AWS credentials with those of " + a.Broker
	}
	return ""
}
