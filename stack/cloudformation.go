package stack

// CloudFormation returns what a customer is handed for one account: the
// templates, and two texts. The bytes are the same for the same side. The
// error is of kind [brevet.Invalid] and names what does not fit: clashing
// names, a limit of AWS, a field that is not what it should be.
func CloudFormation(s Side) ([]File, error) {
	s, err := ready(s)
	if err != nil {
		return nil, err
	}
	access, err := accessTemplate(s)
	if err != nil {
		return nil, err
	}
	events, err := eventsTemplates(s)
	if err != nil {
		return nil, err
	}
	files := append([]File{access}, events...)
	files = append(files, instructions(s), security(s))
	for _, f := range files {
		if err := fits(f); err != nil {
			return nil, err
		}
	}
	return files, nil
}
