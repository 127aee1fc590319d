package sandbox

// ParseFilter and ParseInsights are the readers of two small languages.
func ParseFilter(pattern string) (func(event map[string]any) bool, error) {
	return parseFilter(pattern)
}

// ParseInsights reports whether a query can be run.
func ParseInsights(query string) error {
	if _, f := parseInsights(query); f != nil {
		return f
	}
	return nil
}
