package aws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

var errXML = errors.New("not the XML that was expected")

// pick reads an XML document and stores the text of the elements at the
// wanted paths, such as /ErrorResponse/Error/Code, trimmed. The document must
// be whole and its outermost element root; an element that is wanted must not
// stand twice. Namespaces are not looked at. Documents in the plain form that
// AWS writes are read by hand, all others by raw tokens: xml.Unmarshal costs
// more than the signature of the token that was sent.
func pick(body []byte, root string, wanted map[string]*string) error {
	if pickPlain(body, root, wanted) {
		return nil
	}
	for _, v := range wanted {
		*v = ""
	}
	return pickTokens(body, root, wanted)
}

// pickTokens is pick for every XML document.
func pickTokens(body []byte, root string, wanted map[string]*string) error {
	dec := xml.NewDecoder(bytes.NewReader(body))
	path := make([]byte, 0, 128)
	var into *string
	for {
		t, err := dec.RawToken()
		if err == io.EOF && wanted == nil {
			return nil
		}
		if err != nil {
			return errXML // the decoder's error may quote the document
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(path) == 0 && (t.Name.Local != root || wanted == nil) {
				return errXML
			}
			path = append(append(path, '/'), t.Name.Local...)
			into = wanted[string(path)]
			if into != nil && *into != "" {
				return errXML
			}
		case xml.EndElement:
			at := bytes.LastIndexByte(path, '/')
			if at < 0 || string(path[at+1:]) != t.Name.Local {
				return errXML
			}
			if into != nil {
				*into = strings.TrimSpace(*into)
			}
			path = path[:at]
			into = wanted[string(path)]
			if at == 0 {
				wanted = nil // the outermost element is whole: none may follow
			}
		case xml.CharData:
			if into != nil {
				*into += string(t)
			}
		}
	}
}
