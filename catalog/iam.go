package catalog

import (
	"errors"
	"fmt"

	"github.com/brevet-access/brevet/iam"
)

// checkPolicy reports what is wrong with a role's inline policy document.
func checkPolicy(doc []byte) error {
	p, err := iam.Parse(doc)
	var bad *iam.ParseError
	switch {
	case errors.As(err, &bad) && bad.Path != "":
		return fmt.Errorf("%s: %s", bad.Path, bad.Problem)
	case err != nil:
		return err
	}
	if len(p.Statements) == 0 {
		return errors.New("Statement: is missing")
	}
	for i, s := range p.Statements {
		if s.Principal != nil || s.NotPrincipal != nil {
			return fmt.Errorf("Statement[%d]: a role's policy names no principal", i)
		}
		if len(s.Resource)+len(s.NotResource) == 0 {
			return fmt.Errorf("Statement[%d]: Resource is missing", i)
		}
	}
	return nil
}
