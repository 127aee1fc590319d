package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
)

// reply is the envelope of the Query protocol: ActionResponse around
// ActionResult and the id of the request.
type reply struct {
	call   *call
	result any
}

func newReply(c *call, result any) reply { return reply{c, result} }

// MarshalXML writes the envelope.
func (r reply) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	outer := xml.StartElement{Name: xml.Name{Space: namespace(r.call.service), Local: r.call.action + "Response"}}
	if err := e.EncodeToken(outer); err != nil {
		return err
	}
	if err := e.EncodeElement(r.result, xml.StartElement{Name: xml.Name{Local: r.call.action + "Result"}}); err != nil {
		return err
	}
	meta := struct{ RequestId string }{r.call.id}
	if err := e.EncodeElement(meta, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}); err != nil {
		return err
	}
	return e.EncodeToken(outer.End())
}

// requestID returns a fresh id in the form of a UUID.
func requestID() string {
	var raw [16]byte
	rand.Read(raw[:])
	raw[6], raw[8] = raw[6]&15|64, raw[8]&63|128
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func faultCode(f *fault, on wire) string {
	if f == nil {
		return ""
	}
	code, _ := f.kind.code(on)
	return code
}
