package stack

// limits are what IAM cannot keep anybody from. Each is asked of the policies
// as they are, so that the report is right where a customer's own do more.
func (b *book) limits() {
	r, ok := b.strongest()
	if !ok {
		return
	}
	w := &world{side: b.side}
	instance := w.arn("ec2", "instance/i-0123456789abcdef0")
	limit := func(id, about string, tries ...try) *Scenario {
		return b.claim("limit-"+id, about, Unenforceable, permissionsLayer, tries...).against(HostileEngineer, StolenLaptop)
	}
	open := func(*world) finding {
		return finding{result: Allowed, why: "AWS asks no policy any more"}
	}
	limit("open-shells", "A shell that is open goes on after its grant was revoked, until it is idle or as old as it may be: what is typed is no call of AWS.", try{"a command in an open shell", open})
	limit("typed-commands", "What is typed in a shell is in the shell's log, not in CloudTrail.", try{"a command in an open shell", open})
	limit("open-connections", "A connection to a database or a download that runs goes on after revocation.", try{"a query on an open connection", open})
	limit("propagation", "A change of policies takes AWS some time to carry everywhere, usually seconds, sometimes minutes: revocation is requested, then confirmed, never immediate.", try{"a call within that time", open})
	limit("describe-prod", "DenyProd does not hide what is tagged from calls that list: AWS checks no tags for them.",
		doing(r.Name, "ec2:DescribeInstances", "*"), doing(r.Name, "cloudwatch:GetMetricData", "*")).with("DenyProd"+lettersAndDigits(r.Name), "true")
	limit("untaggable", "DenyProd does not cover what cannot carry a tag, such as DNS records.",
		doing(r.Name, "route53:ChangeResourceRecordSets", "arn:"+b.side.Account.Partition()+":route53:::hostedzone/Z1"), doing(r.Name, "rds-db:connect", w.arn("rds-db", "dbuser:db-1/x"))).with("DenyProd"+lettersAndDigits(r.Name), "true")
	limit("new-resources", "DenyProd does not cover what is being made: it has no tag yet.", doing(r.Name, "ec2:RunInstances", instance), doing(r.Name, "rds:CreateDBInstance", w.arn("rds", "db:new"))).with("DenyProd"+lettersAndDigits(r.Name), "true")
	limit("port-22", "Whoever may edit security groups may open port 22; no condition of IAM knows a port.", doing(r.Name, "ec2:AuthorizeSecurityGroupIngress", w.arn("ec2", "security-group/sg-1")))
	limit("send-command", "Whoever may send commands runs them as the agent, outside brevet's session document; CloudTrail shows the call.", doing(r.Name, "ssm:SendCommand", instance))
	limit("workload-roles", "A role below WorkloadPath is as strong as the customer makes it, unless it has the boundary.", doing(r.Name, "sts:AssumeRole", w.global("iam", "role"+w.workload()+"strong")))
	limit("left-behind", "What a session makes stays when it ends: a role under the boundary that it opened to others, a function, an instance. The record says who made it; what it does then is not recorded by brevet.",
		doing(r.Name, "iam:CreateRole", w.global("iam", "role"+w.workload()+"left"), knowing("iam:PermissionsBoundary", w.global("iam", "policy/"+w.ours("Boundary")))), doing(r.Name, "lambda:CreateFunction", w.arn("lambda", "function:left")))
	limit("borrowed-roles", "A service that has a strong role already uses it for whoever may use the service: a stack with a service role, a function, a pipeline, an instance.",
		doing(r.Name, "cloudformation:UpdateStack", w.arn("cloudformation", "stack/shop/0a1b")), doing(r.Name, "lambda:UpdateFunctionCode", w.arn("lambda", "function:shop")), doing(r.Name, "codepipeline:StartPipelineExecution", w.arn("codepipeline", "shop")))
	limit("own-trail", "The bucket and the key of a trail that the customer made are the customer's to protect; brevet's boundary knows only its own by name.",
		doing(r.Name, "s3:PutBucketPolicy", w.bucket("own-trail")), doing(r.Name, "s3:DeleteObject", w.bucket("own-trail/AWSLogs/x")))
	limit("copies", "What a session was allowed to read can be kept.", doing(r.Name, "s3:GetObject", w.bucket("shop/x")))
}
