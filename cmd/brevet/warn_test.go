package main

import (
	"slices"
	"testing"
	"time"
)

func TestWarningsAreDue(t *testing.T) {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration][]time.Duration{
		time.Hour:        {50 * time.Minute, 58 * time.Minute},
		10 * time.Minute: {0, 8 * time.Minute},
		5 * time.Minute:  {0, 3 * time.Minute},
		2 * time.Minute:  {0},
		time.Minute:      {0},
		0:                nil,
		-time.Minute:     nil,
	} {
		if got := due(now.Add(left), now); !slices.Equal(got, want) {
			t.Errorf("%s before the end warnings are due in %v, want %v", left, got, want)
		}
	}
}
