package brevet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
)

func TestErrorKinds(t *testing.T) {
	for _, k := range brevet.Kinds {
		err := fmt.Errorf("outer: %w", brevet.Errorf(k, "no %s", "way").WithHint("try %d", 2).WithCause(context.Canceled))
		for _, other := range brevet.Kinds {
			if errors.Is(err, other) != (other == k) {
				t.Errorf("%s is %s: %t", k, other, other != k)
			}
		}
		var e *brevet.Error
		if !errors.As(err, &e) || e.Kind != k || brevet.KindOf(err) != k || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: lost on the way: %v", k, err)
		}
		if e.Error() != "no way" || e.Hint != "try 2" {
			t.Errorf("%s: %q, %q", k, e.Error(), e.Hint)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(brevet.Kinds)))) != len(brevet.Kinds) {
		t.Error("a kind comes twice")
	}
}

// TestCauseStaysInside: a cause is for the log, and for nothing that is shown.
func TestCauseStaysInside(t *testing.T) {
	cause := errors.New("pq: password of brevet_rw is hush")
	e := brevet.Errorf(brevet.Unavailable, "the database cannot be reached").WithCause(cause).WithHint("try again").
		WithUnmet(brevet.Unmet{Condition: "a database", Have: "none", Remedy: "start it"})
	for _, s := range []string{e.Error(), fmt.Sprint(e), fmt.Sprintf("%v %+v %s %q", e, e, e, e), fmt.Errorf("x: %w", e).Error(),
		brevet.AsError(cause).Error(), brevet.AsError(cause).Hint, fmt.Sprint(brevet.AsError(fmt.Errorf("x: %w", cause)))} {
		if strings.Contains(s, "hush") {
			t.Errorf("shows its cause: %s", s)
		}
	}
}

func TestWithCopies(t *testing.T) {
	base := brevet.Errorf(brevet.Denied, "no").WithUnmet(brevet.Unmet{Condition: "a"})
	left, right := base.WithUnmet(brevet.Unmet{Condition: "left"}), base.WithUnmet(brevet.Unmet{Condition: "right"})
	_, _ = base.WithHint("hint"), base.WithCause(context.Canceled)
	if len(base.Unmet) != 1 || base.Hint != "" || base.Cause != nil || left.Unmet[1].Condition != "left" || right.Unmet[1].Condition != "right" {
		t.Errorf("copies share: %+v %+v %+v", base, left, right)
	}
}

func TestAsError(t *testing.T) {
	if brevet.AsError(nil) != nil || brevet.KindOf(nil) != "" {
		t.Error("nil is an error")
	}
	var none *brevet.Error
	for _, err := range []error{errors.New("x"), context.DeadlineExceeded, brevet.Denied, none} { // a bare kind says nothing that could be shown
		if brevet.KindOf(err) != brevet.Internal {
			t.Errorf("%T is %q", err, brevet.KindOf(err))
		}
	}
	if outer := brevet.Errorf(brevet.Unavailable, "x").WithCause(brevet.Errorf(brevet.Denied, "y")); brevet.KindOf(outer) != brevet.Unavailable {
		t.Error("the cause's kind wins over the error's")
	}
	if joined := errors.Join(errors.New("x"), brevet.Errorf(brevet.Denied, "y")); brevet.KindOf(joined) != brevet.Denied {
		t.Error("a joined error lost its kind")
	}
}
