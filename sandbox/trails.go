package sandbox

import (
	"slices"
	"strings"
)

// heldTrail is a trail as CloudTrail describes it.
type heldTrail struct {
	name, arn, region, bucket, key string
	many, org, logging, validates  bool
}

// trails returns the account's trails: its organization's and those of
// stacks.
func (e *estate) trails(h *holding) []heldTrail {
	var out []heldTrail
	e.mu.Lock()
	none := e.saved.NoTrail
	e.mu.Unlock()
	arn := func(region, name string) string {
		return "arn:" + h.account.Partition() + ":cloudtrail:" + region + ":" + string(h.account.ID) + ":trail/" + name
	}
	if !none {
		out = append(out, heldTrail{name: orgTrail, arn: arn(h.account.Region, orgTrail), region: h.account.Region, bucket: "org-trail-" + string(h.account.ID), many: true, org: true, logging: true, validates: true})
	}
	for _, p := range h.of("AWS::CloudTrail::Trail") {
		out = append(out, heldTrail{name: p.Physical, arn: arn(p.region, p.Physical), region: p.region, bucket: text(p.Properties["S3BucketName"]), key: text(p.Properties["KMSKeyId"]),
			many: text(p.Properties["IsMultiRegionTrail"]) == "true", logging: text(p.Properties["IsLogging"]) == "true", validates: text(p.Properties["EnableLogFileValidation"]) == "true"})
	}
	return out
}

func (t heldTrail) describe() map[string]any {
	d := map[string]any{"Name": t.name, "TrailARN": t.arn, "HomeRegion": t.region, "S3BucketName": t.bucket, "IsMultiRegionTrail": t.many, "IsOrganizationTrail": t.org,
		"IncludeGlobalServiceEvents": true, "LogFileValidationEnabled": t.validates, "HasCustomEventSelectors": false, "HasInsightSelectors": false}
	if t.key != "" {
		d["KmsKeyId"] = t.key
	}
	return d
}

func describeTrails(a *AWS, c *call) (any, *fault) {
	in := struct{ TrailNameList []string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	e, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	list := []map[string]any{}
	for _, t := range e.trails(h) {
		if (t.many || t.region == c.region) && (len(in.TrailNameList) == 0 || slices.Contains(in.TrailNameList, t.name) || slices.Contains(in.TrailNameList, t.arn)) {
			list = append(list, t.describe())
		}
	}
	return map[string]any{"trailList": list}, nil
}

var noTrail = faultKind{"TrailNotFoundException", 400, "TrailNotFoundException", "", 0}

// trailNamed finds the trail that a call names.
func (a *AWS) trailNamed(c *call) (heldTrail, *fault) {
	in := struct{ Name string }{}
	if f := c.json(&in); f != nil {
		return heldTrail{}, f
	}
	e, h, f := a.holding(c.account)
	if f != nil {
		return heldTrail{}, f
	}
	for _, t := range e.trails(h) {
		if t.name == in.Name || t.arn == in.Name {
			return t, nil
		}
	}
	return heldTrail{}, faultf(noTrail, "Unknown trail: %s for the user: %s", clip(in.Name), c.account.ID)
}

// namedTrail is the ARN that authorising a call about a trail is about.
func namedTrail(c *call) string {
	in := struct{ Name string }{}
	c.json(&in)
	if strings.HasPrefix(in.Name, "arn:") {
		return in.Name
	}
	return c.arn("cloudtrail", "trail/"+in.Name)
}

func getTrail(a *AWS, c *call) (any, *fault) {
	t, f := a.trailNamed(c)
	if f != nil {
		return nil, f
	}
	return map[string]any{"Trail": t.describe()}, nil
}

func getTrailStatus(a *AWS, c *call) (any, *fault) {
	t, f := a.trailNamed(c)
	if f != nil {
		return nil, f
	}
	return map[string]any{"IsLogging": t.logging, "LatestDeliveryTime": float64(c.now.Unix()), "StartLoggingTime": float64(a.born.Unix())}, nil
}

// deleteTrail deletes the organization's trail, which on AWS only the
// organization could: here the owner stands for it. Those of stacks go with
// their stacks.
func deleteTrail(a *AWS, c *call) (any, *fault) {
	t, f := a.trailNamed(c)
	if f != nil {
		return nil, f
	}
	if !t.org {
		return nil, faultf(notSimulated, "The brevet sandbox deletes the trail %s only with its stack.", t.name)
	}
	if c.who.User != ownerName {
		return nil, faultf(faultKind{"InsufficientDependencyServiceAccessPermissionException", 400, "NotOrganizationManagementAccountException", "", 0}, "Only the management account of the organization can delete an organization trail.")
	}
	return map[string]any{}, a.change(c.account, func(s *saved) *fault { s.NoTrail = true; return nil })
}
