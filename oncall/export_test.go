package oncall

import "github.com/brevet-access/brevet"

// ReadOnCalls reads a page of PagerDuty's, for fuzzing.
func ReadOnCalls(body []byte, s brevet.RotaSource) ([]brevet.Shift, error) {
	_, shifts, err := readOnCalls(body, s)
	return shifts, err
}
