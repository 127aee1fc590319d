package catalog

import (
	"errors"
	"fmt"

	"github.com/brevet-access/brevet/iam"
)

// checkPolicy reports what is wrong with a role's inline policy document,
// without the prefix that the field's own path stands for.
func checkPolicy(doc []byte) error {
	err := findFault(doc)
	var bad *iam.ParseError
	if errors.As(err, &bad) && bad.Path != "" {
		return fmt.Errorf("%s: %s", bad.Path, bad.Problem)
	}
	return err
}

func findFault(doc []byte) error {
	p, err := iam.Parse(doc)
	if err != nil {
		return err
	}
	if len(p.Statements) == 0 {
		return &iam.ParseError{Path: "Statement", Problem: "is missing"}
	}
	for i, s := range p.Statements {
		if s.Principal != nil || s.NotPrincipal != nil {
			return &iam.ParseError{Path: fmt.Sprintf("Statement[%d]", i), Problem: "a role's policy names no principal"}
		}
		if len(s.Resource)+len(s.NotResource) == 0 {
			return &iam.ParseError{Path: fmt.Sprintf("Statement[%d]", i), Problem: "Resource is missing"}
		}
	}
	return nil
}
