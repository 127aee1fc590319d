package stack

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// The module before it is filled in; fillSkeleton says how.
//
//go:embed module
var module embed.FS

// moduleFiles are what the module consists of, in the order of reading.
var moduleFiles = []string{"README.md", "versions.tf", "variables.tf", "access.tf", "events.tf", "trail.tf", "revoker.tf", "outputs.tf", "forward/main.tf"}

// Terraform returns the customer's side of one account as a Terraform module
// that needs no provider but hashicorp/aws: the same roles, policies, rules
// and alarms as the CloudFormation templates, from the same source. A file's
// name may have a folder in it. The bytes are the same for the same side; the
// error is as that of [CloudFormation].
func Terraform(s Side) ([]File, error) {
	s, err := ready(s)
	if err != nil {
		return nil, err
	}
	if err := patternsFit(s); err != nil {
		return nil, err
	}
	for _, r := range s.Roles {
		if _, err := Permissions(s.Account, r); err != nil {
			return nil, err
		}
	}
	values, err := moduleValues(s)
	if err != nil {
		return nil, err
	}
	flags := map[string]bool{"oidc": s.Account.Broker == "", "broker": s.Account.Broker != "", "admin": s.has(roleAdmin), "data": s.has(roleData), "nodata": !s.has(roleData),
		"offline": s.offline(), "emergency": s.urgent()}
	var out []File
	for _, name := range moduleFiles {
		text, err := module.ReadFile("module/" + name)
		if err != nil {
			return nil, brevet.Errorf(brevet.Internal, "%s is missing", name).WithCause(err)
		}
		v := values
		if path.Dir(name) == "forward" {
			v = forwardValues(s, values)
		}
		filled := fillSkeleton(string(text), v, flags)
		if strings.HasSuffix(name, ".tf") {
			filled = alignHCL(filled)
		}
		out = append(out, File{name, []byte(filled)})
	}
	packed, err := zipped("index.py", revokerCode)
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "revoker.zip cannot be written").WithCause(err)
	}
	return append(out, File{"revoker.py", []byte(revokerCode)}, File{"revoker.zip", packed}), nil
}

// zipped packs one file. The same text gives the same bytes, so that the
// function is not deployed anew for nothing: it is stored as it is, at the
// beginning of time as zip knows it.
func zipped(name, text string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	f, err := w.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write([]byte(text)); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// moduleValues are what the module says of this customer and account.
func moduleValues(s Side) (map[string]string, error) {
	a, n := s.Account, symbolic(s)
	body, err := dashboard(s)
	if err != nil {
		return nil, err
	}
	v := eventsValues(s) // those that are plain text are the same
	v["customer"], v["account"], v["accountName"] = s.Customer.Name, string(a.ID), a.Name
	v["contract"], v["namespace"] = n.contract, s.namespace()
	v["audience"], v["externalID"], v["brokerARN"], v["brokerAccount"] = hclText(a.Audience), hclText(a.ExternalID), hclText(a.Broker), n.brokerAccount
	v["logGroup"], v["contact"], v["issuer"] = hclText(s.Customer.LogGroup), hclText(s.Customer.Contact), hclText(a.Issuer)
	v["offlineIssuer"], v["cidrNote"] = hclText(a.OfflineIssuer), ""
	if s.offline() {
		v["cidrNote"] = " A role that is offline is entered from anywhere, as brevet is gone then."
	}
	v["logGroupName"], v["other"] = s.Customer.LogGroup, v["global"]
	if v["other"] == a.Region {
		v["other"] = "REGION"
	}
	v["egress"] = hclOf(texts(s.Egress))
	v["shell"], v["boundaryName"] = hclText(n.shell()), hclText(n.boundaryName())
	v["boundary"], v["frozen"], v["denyProd"], v["dataGuard"] = inner(boundary(n)), inner(frozen()), inner(denyProd()), inner(dataGuard(n))
	v["callsPattern"], v["entriesPattern"], v["adminPattern"] = hclInner(callsPattern(s, false)), hclInner(entriesPattern(s, false)), hclInner(adminPattern(s))
	v["emergencyPattern"] = hclInner(emergencyPattern(s))
	v["dashboard"] = hclTemplate(body, func(s string) string { return s })
	v["revocations"], v["revokerPolicy"], v["revokePolicy"] = inner(revocations()), inner(plain(revokerPolicy(n))), inner(plain(revokePolicy(n)))
	v["revokerTrust"], v["revokeTrust"] = inner(plain(serviceTrust("lambda.amazonaws.com"))), trustHCL(n, revokeRole)
	roleValues(v, s, n)
	alarmValues(v, s)
	return v, nil
}

// forwardValues are those of the module for other regions.
func forwardValues(s Side, values map[string]string) map[string]string {
	v := map[string]string{}
	for name, value := range values {
		v[name] = value
	}
	v["callsPattern"], v["entriesPattern"] = hclInner(callsPattern(s, true)), hclInner(entriesPattern(s, true))
	return v
}

func inner(clauses []clause) string { return hclInner(policyHCL(clauses)) }

func hclOf(v any) string {
	var b strings.Builder
	writeHCL(&b, v, "")
	return b.String()
}

func texts(list []string) (out yamlList) {
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// trustHCL is a role's trust policy, with the variables that can stop or
// narrow it.
func trustHCL(n names, r brevet.Role) string {
	from := hclExpr("local.from_broker")
	if r.Offline { // nobody enters it from where the broker is
		from = ""
	}
	return hclInner(policyWith(plain(trust(n, r)), "local.entry", from))
}

// roleValues are what the module says of each role.
func roleValues(v map[string]string, s Side, n names) {
	var list []string
	var resources, known strings.Builder
	for i, r := range s.Roles {
		if i > 0 {
			resources.WriteByte('\n')
		}
		resources.WriteString(roleHCL(n, r))
		fmt.Fprintf(&known, "%s = aws_iam_role.%s.name\n", hclKey(string(r.Name)), r.Name)
		list = append(list, string(r.Name))
	}
	v["roleResources"], v["roleMap"] = resources.String(), known.String()
	v["roleNames"], v["roleList"] = hclOf(texts(list)), strings.Join(list, ", ")
}

// roleHCL is the part of the module that makes one role.
func roleHCL(n names, r brevet.Role) string {
	about := r.About
	if about == "" {
		about = string(r.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\nresource \"aws_iam_role\" \"%s\" {\n", strings.Join(strings.Fields(about), " "), r.Name)
	fmt.Fprintf(&b, "  name = %s\n  description = %s\n", hclText(n.prefix+string(r.Name)), hclText(describe(r)))
	fmt.Fprintf(&b, "  max_session_duration = %d\n  permissions_boundary = aws_iam_policy.boundary.arn\n  force_detach_policies = true\n", int(r.Max.Seconds()))
	switch {
	case r.Offline:
		b.WriteString("  depends_on = [aws_iam_openid_connect_provider.offline]\n")
	case n.broker == "":
		b.WriteString("  depends_on = [aws_iam_openid_connect_provider.brevet]\n")
	}
	b.WriteString("  assume_role_policy = jsonencode({\n" + indented(4, trustHCL(n, r)) + "  })\n}\n")
	if len(r.Policies) > 0 {
		list := strings.Trim(hclOf(texts(r.Policies)), "[]")
		if !strings.HasPrefix(list, "\n") { // on one line
			list = list + "\n"
		}
		fmt.Fprintf(&b, "\nresource \"aws_iam_role_policy_attachment\" \"%s\" {\n  for_each = toset([%s])\n\n", r.Name, strings.TrimSuffix(indented(2, list)[2:], "\n"))
		fmt.Fprintf(&b, "  role = aws_iam_role.%s.name\n  policy_arn = \"arn:${local.partition}:iam::aws:policy/${each.key}\"\n}\n", r.Name)
	}
	if len(r.Inline) > 0 {
		if p, err := inlinePolicy(r); err == nil { // ready has read it
			fmt.Fprintf(&b, "\nresource \"aws_iam_role_policy\" \"%s\" {\n  name = \"Own\"\n  role = aws_iam_role.%s.name\n  policy = jsonencode({\n%s  })\n}\n",
				r.Name, r.Name, indented(4, hclInner(policyHCL(plain(p)))))
		}
	}
	return b.String()
}

// alarmValues are what is counted and what is told.
func alarmValues(v map[string]string, s Side) {
	var counts, told yamlMap
	for _, f := range metricFilters(s) {
		counts = append(counts, yamlPair{f.metric, hclSaid{f.about, f.pattern}})
	}
	for _, a := range alarms(s) {
		if a.threshold == nil {
			v["anomalyName"], v["anomalyAbout"], v["anomalyMetric"] = a.name, hclText(a.about), a.metric
			v["anomalyPeriod"], v["anomalyBand"] = fmt.Sprint(a.period), anomalyBand
			continue
		}
		told = append(told, yamlPair{a.name, yamlMap{{"about", a.about}, {"metric", a.metric}, {"seconds", a.period}, {"threshold", a.threshold}}})
	}
	v["counts"], v["alarms"] = hclInner(counts), hclInner(told)
}
