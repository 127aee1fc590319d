package sandbox

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// bucketKinds are what the names of an account's buckets end in.
var bucketKinds = []string{"logs", "uploads"}

// mostObjects bounds what may be put into one bucket of the sandbox.
const mostObjects = 200

// buckets holds what was put since the sandbox began; what every bucket
// begins with is made up when it is asked for.
type buckets struct {
	mu  sync.Mutex
	put map[string]map[string]object // by bucket and key
}

// object is one object of a bucket, as it is sent.
type object struct {
	body []byte
	at   time.Time
	head bool // asked for by HEAD
}

func (o object) tag() string {
	sum := md5.Sum(o.body) // an entity tag of S3 and no secret
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (o object) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "binary/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(o.body)))
	h.Set("Etag", o.tag())
	h.Set("Last-Modified", o.at.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	if !o.head {
		w.Write(o.body)
	}
}

// s3Path splits the path of a call: /BUCKET/KEY.
func (c *call) s3Path() (name, key string) {
	name, key, _ = strings.Cut(strings.TrimPrefix(c.req.URL.Path, "/"), "/")
	return name, key
}

func namedBucket(c *call) string {
	name, _ := c.s3Path()
	return "arn:" + c.account.Partition() + ":s3:::" + name
}

func namedObject(c *call) string {
	return "arn:" + c.account.Partition() + ":s3:::" + strings.TrimPrefix(c.req.URL.Path, "/")
}

// aboutList are the condition keys of a listing.
func (c *call) aboutList() map[string][]string {
	m := map[string][]string{}
	for _, name := range []string{"prefix", "delimiter", "max-keys"} {
		if c.params.Has(name) {
			m["s3:"+name] = []string{c.param(name)}
		}
	}
	return m
}

func bucketName(a brevet.Account, kind string) string { return strings.ToLower(a.Name) + "-" + kind }

// objects returns what is in the caller's bucket. Another account's bucket
// would have to let the caller in by a policy of its own, which none here has.
func (a *AWS) objects(c *call) (map[string]object, *fault) {
	name, _ := c.s3Path()
	for _, o := range a.cfg.Accounts() {
		for _, kind := range bucketKinds {
			if bucketName(o, kind) != name {
				continue
			}
			if o.ID != c.account.ID {
				return nil, faultf(accessDenied, "User: %s is not authorized to perform: s3:%s on resource: %q because no resource-based policy allows the s3:%s action",
					c.who.arn(c.account), c.action, "arn:"+o.Partition()+":s3:::"+name, c.action)
			}
			return a.stored(name, kind), nil
		}
	}
	return nil, faultf(noSuchBucket, "The specified bucket does not exist")
}

// stored is what a bucket began with and what was put into it since.
func (a *AWS) stored(name, kind string) map[string]object {
	all := map[string]object{}
	for n := range 24 {
		key := fmt.Sprintf("%d/%02d/%s-%04d.txt", a.born.Year(), n%12+1, kind, n)
		all[key] = object{body: []byte(strings.Repeat(fmt.Sprintf("%s line of %s\n", name, key), n+1)), at: a.born}
	}
	a.buckets.mu.Lock()
	defer a.buckets.mu.Unlock()
	maps.Copy(all, a.buckets.put[name])
	return all
}

// listBuckets shows the account's buckets.
func listBuckets(a *AWS, c *call) (any, *fault) {
	var out bucketList
	out.Owner.ID, out.Owner.DisplayName = strings.ToLower(roleID(c.account.ID, "owner")), c.account.Name
	for _, kind := range bucketKinds {
		out.Buckets.Bucket = append(out.Buckets.Bucket, bucket{bucketName(c.account, kind), s3Time(a.born)})
	}
	return out, nil
}

func s3Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// bucket is one line of ListBuckets.
type bucket struct {
	Name, CreationDate string
}

type bucketList struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   struct{ ID, DisplayName string }
	Buckets struct {
		Bucket []bucket
	}
}

// content is one line of ListObjectsV2.
type content struct {
	Key, LastModified, ETag string
	Size                    int
	StorageClass            string
}

type objectList struct {
	XMLName                 xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix, Delimiter string
	EncodingType            string `xml:",omitempty"`
	KeyCount, MaxKeys       int
	IsTruncated             bool
	NextContinuationToken   string `xml:",omitempty"`
	Contents                []content
	CommonPrefixes          []struct{ Prefix string }
}

// listObjects is ListObjectsV2: keys in order, from start-after or the
// continuation token on, those that share a prefix up to the delimiter as one.
func listObjects(a *AWS, c *call) (any, *fault) {
	all, f := a.objects(c)
	if f != nil {
		return nil, f
	}
	out := objectList{Prefix: c.param("prefix"), Delimiter: c.param("delimiter"), EncodingType: c.param("encoding-type"), MaxKeys: 1000}
	out.Name, _ = c.s3Path()
	if c.params.Has("max-keys") {
		n, err := strconv.Atoi(c.param("max-keys"))
		if err != nil || n < 0 {
			return nil, faultf(validationError, "Provided max-keys not an integer or within integer range")
		}
		out.MaxKeys = min(n, 1000)
	}
	from := c.param("start-after")
	if token := c.param("continuation-token"); token != "" {
		raw, err := hex.DecodeString(token)
		if err != nil {
			return nil, faultf(validationError, "The continuation token provided is incorrect")
		}
		from = string(raw)
	}
	name := func(s string) string {
		if out.EncodingType == "url" {
			return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/")
		}
		return s
	}
	last := ""
	for _, key := range slices.Sorted(maps.Keys(all)) {
		rest, in := strings.CutPrefix(key, out.Prefix)
		shared := ""
		if before, _, deep := strings.Cut(rest, out.Delimiter); out.Delimiter != "" && deep {
			shared = out.Prefix + before + out.Delimiter
		}
		switch {
		case !in || key <= from || shared != "" && (shared == last || shared <= from):
			continue
		case out.KeyCount == out.MaxKeys:
			out.IsTruncated, out.NextContinuationToken = true, hex.EncodeToString([]byte(last))
			return out, nil
		case shared != "":
			out.CommonPrefixes = append(out.CommonPrefixes, struct{ Prefix string }{name(shared)})
			last = shared
		default:
			o := all[key]
			out.Contents = append(out.Contents, content{name(key), s3Time(o.at), o.tag(), len(o.body), "STANDARD"})
			last = key
		}
		out.KeyCount++
	}
	return out, nil
}

// getObject is GetObject and HeadObject.
func getObject(a *AWS, c *call) (any, *fault) {
	all, f := a.objects(c)
	if f != nil {
		return nil, f
	}
	_, key := c.s3Path()
	o, ok := all[key]
	if !ok {
		return nil, faultf(noSuchKey, "The specified key does not exist.")
	}
	o.head = c.req.Method == http.MethodHead
	return o, nil
}

// putObject keeps an object for as long as the sandbox runs.
func putObject(a *AWS, c *call) (any, *fault) {
	if _, f := a.objects(c); f != nil {
		return nil, f
	}
	if strings.HasPrefix(c.req.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return nil, faultf(notSimulated, "The brevet sandbox does not simulate uploads in chunks.")
	}
	name, key := c.s3Path()
	a.buckets.mu.Lock()
	defer a.buckets.mu.Unlock()
	if a.buckets.put == nil {
		a.buckets.put = map[string]map[string]object{}
	}
	if a.buckets.put[name] == nil {
		a.buckets.put[name] = map[string]object{}
	}
	if _, there := a.buckets.put[name][key]; !there && len(a.buckets.put[name]) == mostObjects {
		return nil, faultf(tooLarge, "The brevet sandbox keeps at most %d new objects in a bucket.", mostObjects)
	}
	o := object{body: slices.Clone(c.body), at: c.now}
	a.buckets.put[name][key] = o
	return kept{o.tag()}, nil
}

// kept is the answer to PutObject: headers alone.
type kept struct{ tag string }

func (k kept) write(w http.ResponseWriter) {
	w.Header().Set("Etag", k.tag)
	w.WriteHeader(http.StatusOK)
}
