package stack

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// fixtures is about what must be there.
func (b *book) fixtures() {
	there := func(id, about string, layers []Layer, check func(w *world) finding) *Scenario {
		return b.claim(id, about, Present, layers, try{"it is there", check})
	}
	if b.side.Account.Broker == "" {
		about, issuers := "The account trusts this customer's issuer alone, and only for this account.", []string{b.side.Account.Issuer}
		if b.side.offline() {
			about = "The account trusts this customer's issuer and its offline one alone, and only for this account."
			issuers = append(issuers, b.side.Account.OfflineIssuer)
		}
		there("provider-is-ours", about, trustLayer, func(w *world) finding {
			var urls []string
			for _, p := range w.in.Providers {
				ok := !p.SAML && slices.Contains(issuers, p.URL) && slices.Equal(p.Audiences, []string{w.side.Account.Audience})
				if !ok {
					return finding{result: Absent, statement: p.ARN, why: "its URL or audience is another"}
				}
				urls = append(urls, p.URL)
			}
			slices.Sort(urls)
			slices.Sort(issuers)
			return present(slices.Equal(urls, issuers), "the provider", "there must be one provider for each of "+strings.Join(issuers, ", "))
		})
	} else {
		there("no-provider", "Where the broker enters as a role, no identity provider is made.", trustLayer, func(w *world) finding {
			return present(len(w.in.Providers) == 0, "no provider", "there is a provider")
		})
	}
	there("only-our-roles", "The stacks make no role, user or key beyond those that are named.", trustLayer, func(w *world) finding {
		known := []string{w.ours("Revoke"), w.ours("Revoker"), w.ours("Forward")}
		for _, r := range b.side.Roles {
			known = append(known, w.ours(string(r.Name)))
		}
		for _, r := range w.in.Roles {
			if !slices.Contains(known, r.Name) {
				return finding{result: Absent, statement: r.Name, why: "the role " + r.Name + " has no business here"}
			}
		}
		for _, d := range w.in.Deployments {
			for _, r := range d.Resources {
				if slices.Contains([]string{"AWS::IAM::User", "AWS::IAM::AccessKey", "AWS::IAM::Group", "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"}, r.Type) {
					return finding{result: Absent, statement: r.ID, why: "a resource of type " + r.Type + " has no business here"}
				}
			}
		}
		return finding{result: Present, statement: "roles"}
	}).with(b.withAll()...)
	there("record-kept", "What is recorded is kept for a set time, at least thirty days.", recordLayer, func(w *world) finding {
		for _, g := range w.in.LogGroups {
			if g.Retention < 30 {
				return finding{result: Absent, statement: g.Name, why: "the log group has no retention of thirty days or more"}
			}
		}
		return present(slices.ContainsFunc(w.in.LogGroups, func(g LogGroup) bool {
			return g.Name == w.parameters["LogGroupName"] && g.Region == w.side.Account.Region
		}), w.parameters["LogGroupName"], "there is no log group")
	}).with(b.withAll()...)
	b.claim("record-written", "EventBridge may write into the log group.", Allowed, recordLayer, b.logWriting("events.amazonaws.com", "calls", "entries")...)
	b.claim("record-written-by-nobody-else", "Nobody else may: no other service, no rule of another account.", Refused, recordLayer, b.logWritingWrong()...)
	b.alarms()
	b.people()
	there("dashboard-whole", "The dashboard shows its seventeen widgets.", recordLayer, func(w *world) finding {
		for _, d := range w.in.Dashboards {
			var body struct {
				Widgets []struct {
					Type string `json:"type"`
				} `json:"widgets"`
			}
			if json.Unmarshal([]byte(d.Body), &body) == nil {
				n := 0
				for _, widget := range body.Widgets {
					if widget.Type != "text" {
						n++
					}
				}
				return present(n == 17, d.Name, "it has not 17 widgets")
			}
		}
		return finding{result: Absent, why: "there is no dashboard"}
	})
	b.trail()
}

// logWriting is EventBridge writing for rules of ours.
func (b *book) logWriting(service string, rules ...string) []try {
	var out []try
	for _, rule := range rules {
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
			out = append(out, served(service, action, (*world).stream, ruleIs(b, rule)))
		}
	}
	return out
}

func ruleIs(b *book, rule string) callChange {
	w := &world{side: b.side}
	return func(c *call) {
		knowing("aws:SourceAccount", string(b.side.Account.ID))(c)
		knowing("aws:SourceArn", w.arn("events", "rule/"+w.ours(rule)))(c)
	}
}

func (b *book) logWritingWrong() []try {
	var out []try
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
		out = append(out, served("lambda.amazonaws.com", action, (*world).stream, ruleIs(b, "calls")))
	}
	other := func(c *call) {
		knowing("aws:SourceAccount", b.side.stranger())(c)
		knowing("aws:SourceArn", "arn:"+b.side.Account.Partition()+":events:"+b.side.Account.Region+":"+b.side.stranger()+":rule/x")(c)
	}
	out = append(out, served("events.amazonaws.com", "logs:PutLogEvents", (*world).stream, other), served("events.amazonaws.com", "logs:DeleteLogStream", (*world).stream, ruleIs(b, "calls")),
		served("events.amazonaws.com", "logs:PutLogEvents", func(w *world) string { return w.arn("logs", "log-group:shop:log-stream:x") }, ruleIs(b, "calls")))
	return append(out, served("events.amazonaws.com", "logs:CreateLogStream", func(w *world) string { return w.arn("logs", "log-group:shop:log-stream:x") }, ruleIs(b, "calls")))
}

// stream is a stream of the record.
func (w *world) stream() string {
	for _, g := range w.in.LogGroups {
		if g.Name == w.parameters["LogGroupName"] && g.Region == w.side.Account.Region {
			return strings.TrimSuffix(g.ARN, "*") + "log-stream:x"
		}
	}
	return ""
}

// alarms is about what is counted and watched.
func (b *book) alarms() {
	list := []struct{ id, about, name, needle string }{
		{"alarm-denied", "Many refused calls raise an alarm.", "denied", "errorCode"},
		{"alarm-refused", "A refused entry raises an alarm.", "refused", "AssumeRole"},
		{"alarm-unusual", "Unusual activity raises an alarm.", "unusual", "userIdentity"},
	}
	if _, ok := b.has("Admin"); ok {
		list = append(list, struct{ id, about, name, needle string }{"alarm-admin", "Each session of Admin raises an alarm.", "admin-session", "Admin"})
	}
	if b.side.urgent() {
		list = append(list, struct{ id, about, name, needle string }{"alarm-emergency", "Each session that an emergency opened raises an alarm.", "emergency", string(brevet.RungBreakGlass)})
	}
	for _, a := range list {
		b.claim(a.id, a.about, Present, recordLayer, try{a.name, func(w *world) finding { return w.alarm(a.name, a.needle) }}).against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
	}
}

// alarm looks for an alarm that tells people, on a metric that is made from
// the record by a filter that looks at the needle.
func (w *world) alarm(name, needle string) finding {
	if w.fallen[LayerRecord] {
		return finding{result: Absent}
	}
	i := slices.IndexFunc(w.in.Alarms, func(a Alarm) bool { return a.Name == w.ours(name) })
	if i < 0 {
		return finding{result: Absent, why: "there is no alarm " + w.ours(name)}
	}
	a := w.in.Alarms[i]
	if !a.Enabled || !slices.ContainsFunc(a.Actions, func(arn string) bool {
		return slices.ContainsFunc(w.in.Topics, func(t Topic) bool { return t.ARN == arn })
	}) {
		return finding{result: Absent, statement: a.Name, why: "the alarm tells nobody"}
	}
	if n, ok := number(a.Properties["Threshold"]); ok && n > 100 {
		return finding{result: Absent, statement: a.Name, why: "the alarm waits for more than 100"}
	}
	text, err := json.Marshal(a.Properties)
	if err != nil {
		return finding{result: Absent, statement: a.Name, why: "the alarm cannot be read"}
	}
	for _, f := range w.in.Filters {
		if strings.Contains(string(text), `"`+f.Metric+`"`) && strings.Contains(string(text), `"`+f.Namespace+`"`) && f.LogGroup == w.parameters["LogGroupName"] && strings.Contains(f.Pattern, needle) {
			return finding{result: Present, statement: a.Name}
		}
	}
	return finding{result: Absent, statement: a.Name, why: "nothing is counted that the alarm watches"}
}

// people is about who is told.
func (b *book) people() {
	topic := func(w *world) string {
		for _, t := range w.in.Topics {
			return t.ARN
		}
		return ""
	}
	w := &world{side: b.side}
	account := string(b.side.Account.ID)
	from := func(account, arn string) callChange {
		return func(c *call) {
			knowing("aws:SourceAccount", account)(c)
			knowing("aws:SourceArn", arn)(c)
		}
	}
	b.claim("topic-told-by-services", "The alarms and the rule may publish.", Allowed, recordLayer,
		served("events.amazonaws.com", "sns:Publish", topic, from(account, w.arn("events", "rule/"+w.ours("admin")))),
		served("cloudwatch.amazonaws.com", "sns:Publish", topic, from(account, w.arn("cloudwatch", "alarm:"+w.ours("denied")))))
	b.claim("topic-told-by-nobody-else", "No other account's alarms or rules publish, and no other service.", Refused, recordLayer,
		served("events.amazonaws.com", "sns:Publish", topic, from(b.side.stranger(), "arn:aws:events:eu-west-1:"+b.side.stranger()+":rule/x")), served("cloudwatch.amazonaws.com", "sns:Publish", topic, from(b.side.stranger(), "arn:aws:cloudwatch:eu-west-1:"+b.side.stranger()+":alarm:x")),
		served("s3.amazonaws.com", "sns:Publish", topic, from(account, "arn:aws:s3:::x")), served("events.amazonaws.com", "sns:Subscribe", topic, from(account, w.arn("events", "rule/x"))),
		served("cloudwatch.amazonaws.com", "sns:SetTopicAttributes", topic, from(account, w.arn("cloudwatch", "alarm:x"))))
	contact := b.side.Customer.Contact
	if contact == "" {
		contact = "security@example.com"
	}
	b.claim("contact-subscribed", "The security contact gets what is told by mail.", Present, recordLayer, try{"the subscription", func(w *world) finding {
		for _, s := range w.in.Subscriptions {
			if !w.fallen[LayerRecord] && s.Protocol == "email" && s.Endpoint == contact && s.Topic == topic(w) {
				return finding{result: Present, statement: s.ID}
			}
		}
		return finding{result: Absent, why: "there is no subscription of the contact"}
	}}).with("SecurityContact", contact).against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
}

// trail is about CreateTrail.
func (b *book) trail() {
	on := func(s *Scenario) *Scenario { return s.with(b.withTrail()...) }
	on(b.claim("trail-whole", "With CreateTrail, a trail records every region, signs its files and encrypts them.", Present, recordLayer, try{"the trail", func(w *world) finding {
		for _, t := range w.in.Trails {
			key := slices.ContainsFunc(w.in.Keys, func(k Key) bool { return k.ARN == t.Key || k.ID == t.Key })
			bucket := slices.ContainsFunc(w.in.Buckets, func(b Bucket) bool { return b.Name == t.Bucket })
			text, err := json.Marshal(t.Selectors)
			management := err == nil && (len(t.Selectors) == 0 || strings.Contains(string(text), `"Management"`))
			return present(t.Logging && t.Validation && t.ManyRegion && key && bucket && management, t.Name, "it misses regions, signatures, its key, its bucket or management events")
		}
		return finding{result: Absent, why: "there is no trail"}
	}}))
	if _, ok := b.has(roleOfData); ok {
		on(b.claim("trail-objects", "With DataTrail, it records which objects sessions of Data touch.", Present, recordLayer, try{"the selector", func(w *world) finding {
			for _, t := range w.in.Trails {
				text, err := json.Marshal(t.Selectors)
				session := w.global("sts", "assumed-role/"+w.ours("Data")+"/")
				return present(err == nil && strings.Contains(string(text), "AWS::S3::Object") && strings.Contains(string(text), session), t.Name, "no selector is about objects and the sessions of Data")
			}
			return finding{result: Absent, why: "there is no trail"}
		}}))
	}
	b.trailStore(on)
}

// trailStore is about the trail's bucket and key.
func (b *book) trailStore(on func(*Scenario) *Scenario) {
	bucket := func(w *world) string {
		for _, bucket := range w.in.Buckets {
			return bucket.ARN
		}
		return ""
	}
	object := func(w *world) string {
		if bucket(w) == "" {
			return ""
		}
		return bucket(w) + "/AWSLogs/" + w.in.Account + "/CloudTrail/x.json.gz"
	}
	key := func(w *world) string {
		for _, k := range w.in.Keys {
			return k.ARN
		}
		return ""
	}
	w := &world{side: b.side}
	from := func(arn string, changes ...callChange) callChange {
		return func(c *call) {
			knowing("aws:SourceArn", arn)(c)
			knowing("aws:SourceAccount", string(b.side.Account.ID))(c)
			knowing("s3:x-amz-acl", "bucket-owner-full-control")(c)
			knowing("kms:EncryptionContext:aws:cloudtrail:arn", arn)(c)
			for _, change := range changes {
				change(c)
			}
		}
	}
	ours := w.arn("cloudtrail", "trail/"+w.ours("trail"))
	other := "arn:" + b.side.Account.Partition() + ":cloudtrail:" + b.side.Account.Region + ":" + b.side.stranger() + ":trail/" + w.ours("trail")
	plain := knowing("aws:SecureTransport", "false")
	const trail = "cloudtrail.amazonaws.com"
	on(b.claim("trail-writes", "The trail writes into its bucket, and encrypts with its key.", Allowed, recordLayer, served(trail, "s3:GetBucketAcl", bucket, from(ours)), served(trail, "s3:PutObject", object, from(ours)),
		served(trail, "kms:GenerateDataKey", key, from(ours)), served(trail, "kms:DescribeKey", key, from(ours))))
	on(b.claim("trail-written-by-nobody-else", "No other account's trail writes there, nothing but a trail, and nothing unencrypted.", Refused, recordLayer,
		served(trail, "s3:GetBucketAcl", bucket, from(other)), served(trail, "s3:PutObject", object, from(other)), served(trail, "kms:GenerateDataKey", key, from(other)), served(trail, "kms:DescribeKey", key, from(other)),
		served("config.amazonaws.com", "s3:PutObject", object, from(ours)), served("config.amazonaws.com", "s3:GetBucketAcl", bucket, from(ours)), served("config.amazonaws.com", "kms:GenerateDataKey", key, from(ours)),
		served("config.amazonaws.com", "kms:DescribeKey", key, from(ours)), served(trail, "s3:PutObject", object, from(ours, knowing("s3:x-amz-acl", "public-read"))), served(trail, "s3:PutObject", object, from(ours, plain)), served(trail, "s3:GetBucketAcl", bucket, from(ours, plain)),
		served(trail, "s3:PutObject", func(w *world) string { return bucket(w) + "/AWSLogs/" + b.side.stranger() + "/x" }, from(ours)), served(trail, "s3:DeleteObject", object, from(ours)), served(trail, "s3:PutBucketPolicy", bucket, from(ours)),
		served(trail, "kms:Decrypt", key, from(ours)), served(trail, "kms:ScheduleKeyDeletion", key, from(ours)), served(trail, "kms:GenerateDataKey", key, from(ours, knowing("kms:EncryptionContext:aws:cloudtrail:arn", other)))))
	owner := func(action string, resource func(*world) string, tags ...string) try {
		return try{"the customer's administrator: " + action, func(w *world) finding {
			if resource(w) == "" {
				return finding{result: Absent, why: "the templates install none"}
			}
			got := iam.Evaluate(iam.Input{Identity: everythingAllowed, Resource: w.policyOf(resource(w)), Request: iam.Request{Caller: w.caller(w.roleARN("owner")), Action: action, Resource: resource(w),
				Context: iam.Context{"aws:SecureTransport": {"true"}}}})
			f := w.decided(got, InstalledRole{}, false)
			return f
		}}
	}
	on(b.claim("trail-owner", "The customer's own administrator rules the bucket and the key.", Allowed, permissionsLayer, owner("s3:GetObject", object), owner("s3:PutBucketPolicy", bucket), owner("kms:PutKeyPolicy", key), owner("kms:Decrypt", key)))
}
