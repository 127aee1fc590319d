package iam

import (
	"fmt"
	"strings"
)

// named turns a name into the ARNs that the action needs. The forms are those
// of the service authorization reference ("Resource types defined by …"). A
// guess that is wrong denies: a session policy cannot add to the role.
func (h Home) named(service, action, name string) ([]string, error) {
	switch service {
	case "s3":
		return h.bucket(action, name)
	case "dynamodb":
		return h.table(action, name), nil
	case "sqs", "sns":
		return []string{h.arn(service, name)}, nil
	case "lambda":
		return []string{h.arn(service, "function:"+name), h.arn(service, "function:"+name+":*")}, nil
	case "secretsmanager": // AWS adds a hyphen and six characters to the name
		return []string{h.arn(service, "secret:"+name+"-??????")}, nil
	case "logs":
		return []string{h.arn(service, "log-group:"+name), h.arn(service, "log-group:"+name+":*")}, nil
	case "ecr":
		return []string{h.arn(service, "repository/"+name)}, nil
	case "kinesis":
		return []string{h.arn(service, "stream/"+name)}, nil
	case "ec2", "ssm", "kms", "rds", "iam", "sts":
		if arns := h.kind(service, strings.ToLower(action), name); arns != nil {
			return arns, nil
		}
	}
	return nil, fmt.Errorf("%s:%s on %s: what kind of resource that is cannot be told; write its ARN, arn:%s:…, or * for any", service, action, quote(name), h.Partition)
}

func (h Home) arn(service, rest string) string {
	return "arn:" + h.Partition + ":" + service + ":" + h.Region + ":" + h.Account + ":" + rest
}

// bucket takes BUCKET or BUCKET/KEY. Actions on objects mean what is in the
// bucket, others the bucket; of a family with wildcards it may be either.
func (h Home) bucket(action, name string) ([]string, error) {
	all := "arn:" + h.Partition + ":s3:::"
	bucket, _, key := strings.Cut(name, "/")
	object, family := onObjects(action), strings.ContainsAny(action, "*?")
	switch {
	case bucket == "":
		return nil, fmt.Errorf("s3:%s: %s names no bucket", action, quote(name))
	case action == "ListAllMyBuckets" || action == "CreateJob":
		return nil, fmt.Errorf("s3:%s is about no single bucket; name it without @", action)
	case key && !object && !family:
		return nil, fmt.Errorf("s3:%s is about a bucket and not about what is in it; write s3:%s@%s", action, action, bucket)
	case key:
		return []string{all + name}, nil
	case family:
		return []string{all + bucket, all + bucket + "/*"}, nil
	case object:
		return []string{all + bucket + "/*"}, nil
	}
	return []string{all + bucket}, nil
}

// onObjects reports whether an action of S3 is about objects: those with
// Object in their name but not Bucket, and the few others.
func onObjects(action string) bool {
	a := strings.ToLower(action)
	switch a {
	case "abortmultipartupload", "listmultipartuploadparts", "bypassgovernanceretention", "replicatedelete", "replicatetags":
		return true
	}
	return strings.Contains(a, "object") && !strings.Contains(a, "bucket")
}

// table takes the name of a table of DynamoDB; what reads by key order may use
// its indexes.
func (h Home) table(action, name string) []string {
	out := []string{h.arn("dynamodb", "table/"+name)}
	switch a := strings.ToLower(action); {
	case strings.ContainsAny(a, "*?"), a == "query", a == "scan", a == "partiqlselect":
		out = append(out, h.arn("dynamodb", "table/"+name+"/index/*"))
	}
	return out
}

// kind handles services with many kinds of resources, told apart by the name
// or the action; nil where neither tells.
func (h Home) kind(service, action, name string) []string {
	one := func(rest string) []string { return []string{h.arn(service, rest)} }
	global := func(rest string) []string {
		return []string{"arn:" + h.Partition + ":iam::" + h.Account + ":" + rest}
	}
	switch service {
	case "ec2":
		for _, k := range []struct{ prefix, kind string }{{"i-", "instance"}, {"vol-", "volume"}, {"snap-", "snapshot"}, {"sg-", "security-group"},
			{"subnet-", "subnet"}, {"vpc-", "vpc"}, {"eni-", "network-interface"}, {"rtb-", "route-table"}} {
			if strings.HasPrefix(name, k.prefix) {
				return one(k.kind + "/" + name)
			}
		}
	case "ssm":
		switch {
		case strings.HasPrefix(name, "i-"):
			return []string{h.arn("ec2", "instance/"+name)}
		case strings.HasPrefix(name, "mi-"):
			return one("managed-instance/" + name)
		case strings.Contains(action, "parameter"):
			return one("parameter/" + strings.TrimPrefix(name, "/"))
		}
	case "kms":
		if !strings.HasPrefix(name, "alias/") {
			return one("key/" + strings.TrimPrefix(name, "key/"))
		}
	case "rds":
		switch {
		case strings.Contains(action, "snapshot"):
			return nil
		case strings.Contains(action, "dbcluster"):
			return one("cluster:" + name)
		case strings.Contains(action, "dbinstance"):
			return one("db:" + name)
		}
	case "iam":
		for _, k := range []string{"role", "user", "group"} {
			if strings.Contains(action, k) && !strings.Contains(action, "policy") {
				return global(k + "/" + name)
			}
		}
	case "sts":
		if strings.HasPrefix(action, "assumerole") {
			return global("role/" + name)
		}
	}
	return nil
}
