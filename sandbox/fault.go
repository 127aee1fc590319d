package sandbox

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// wire is how a service's clients talk to it.
type wire int

const (
	wireQuery wire = iota // form in, XML out: STS, IAM, CloudFormation, SNS
	wireEC2               // likewise, with another form of errors
	wireJSON              // JSON 1.1: CloudTrail, Logs, Events
	wireS3                // REST and XML
)

// fault is an error as AWS states it.
type fault struct {
	kind faultKind
	msg  string
}

func (f *fault) Error() string { return f.kind.query + ": " + f.msg }

func faultf(kind faultKind, format string, args ...any) *fault {
	return &fault{kind, fmt.Sprintf(format, args...)}
}

// faultKind is one error in the spellings and statuses that the protocols
// have for it; a status of 0 is that of the Query protocol.
type faultKind struct {
	query    string
	status   int
	json     string // always with status 400 on the JSON protocol, 500 for our own failures
	s3       string
	s3Status int
}

var (
	missingToken        = faultKind{"MissingAuthenticationToken", 403, "MissingAuthenticationTokenException", "AccessDenied", 0}
	incompleteSignature = faultKind{"IncompleteSignature", 400, "IncompleteSignatureException", "AuthorizationHeaderMalformed", 0}
	signatureMismatch   = faultKind{"SignatureDoesNotMatch", 403, "InvalidSignatureException", "SignatureDoesNotMatch", 0}
	signatureOld        = faultKind{"SignatureDoesNotMatch", 403, "InvalidSignatureException", "RequestTimeTooSkewed", 0}
	payloadMismatch     = faultKind{"SignatureDoesNotMatch", 403, "InvalidSignatureException", "XAmzContentSHA256Mismatch", 400}
	unknownKey          = faultKind{"InvalidClientTokenId", 403, "UnrecognizedClientException", "InvalidAccessKeyId", 0}
	expiredToken        = faultKind{"ExpiredToken", 403, "ExpiredTokenException", "ExpiredToken", 400}
	accessDenied        = faultKind{"AccessDenied", 403, "AccessDeniedException", "AccessDenied", 0}
	validationError     = faultKind{"ValidationError", 400, "ValidationException", "InvalidArgument", 0}
	notSimulated        = faultKind{"InvalidAction", 400, "UnknownOperationException", "NotImplemented", 501}
	noSuchEntity        = faultKind{"NoSuchEntity", 404, "ResourceNotFoundException", "NoSuchKey", 0}
	noSuchKey           = faultKind{"NoSuchEntity", 404, "ResourceNotFoundException", "NoSuchKey", 404}
	noSuchBucket        = faultKind{"NoSuchEntity", 404, "ResourceNotFoundException", "NoSuchBucket", 404}
	malformedPolicy     = faultKind{"MalformedPolicyDocument", 400, "ValidationException", "InvalidArgument", 0}
	packedTooLarge      = faultKind{"PackedPolicyTooLarge", 400, "ValidationException", "InvalidArgument", 0}
	invalidIdentity     = faultKind{"InvalidIdentityToken", 400, "ValidationException", "InvalidArgument", 0}
	expiredIdentity     = faultKind{"ExpiredTokenException", 400, "ExpiredTokenException", "ExpiredToken", 0}
	idpRejected         = faultKind{"IDPRejectedClaim", 403, "AccessDeniedException", "AccessDenied", 0}
	tooLarge            = faultKind{"RequestEntityTooLarge", 413, "RequestEntityTooLargeException", "EntityTooLarge", 400}
	internalFailure     = faultKind{"InternalFailure", 500, "InternalFailure", "InternalError", 0}
)

// code returns how a kind is spelled on a wire, and its status.
func (k faultKind) code(w wire) (string, int) {
	switch w {
	case wireJSON:
		if k.status >= 500 {
			return k.json, k.status
		}
		return k.json, http.StatusBadRequest
	case wireS3:
		if k.s3Status != 0 {
			return k.s3, k.s3Status
		}
		return k.s3, k.status
	case wireEC2:
		if k.query == accessDenied.query {
			return "UnauthorizedOperation", k.status
		}
	}
	return k.query, k.status
}

// xmlError is the error element of every XML protocol.
type xmlError struct {
	Type    string `xml:",omitempty"`
	Code    string
	Message string
}

// write answers with the fault as clients of the protocol expect it.
func (f *fault) write(w http.ResponseWriter, on wire, service, id string) {
	code, status := f.kind.code(on)
	if on == wireJSON {
		w.Header().Set("X-Amzn-Errortype", code)
		writeJSON(w, status, map[string]string{"__type": code, "message": f.msg})
		return
	}
	var v any
	switch on {
	case wireS3:
		v = struct {
			XMLName                  xml.Name `xml:"Error"`
			Code, Message, RequestId string
		}{Code: code, Message: f.msg, RequestId: id}
	case wireEC2:
		v = struct {
			XMLName   xml.Name   `xml:"Response"`
			Errors    []xmlError `xml:"Errors>Error"`
			RequestID string
		}{Errors: []xmlError{{Code: code, Message: f.msg}}, RequestID: id}
	default:
		v = struct {
			XMLName   xml.Name
			Error     xmlError
			RequestId string
		}{xml.Name{Space: namespace(service), Local: "ErrorResponse"}, xmlError{"Sender", code, f.msg}, id}
	}
	writeXML(w, status, v)
}

// namespace returns the XML namespace of a service's Query answers.
func namespace(service string) string {
	switch service {
	case "iam":
		return "https://iam.amazonaws.com/doc/2010-05-08/"
	case "cloudformation":
		return "http://cloudformation.amazonaws.com/doc/2010-05-15/"
	case "sns":
		return "http://sns.amazonaws.com/doc/2010-03-31/"
	}
	return "https://sts.amazonaws.com/doc/2011-06-15/"
}

func writeXML(w http.ResponseWriter, status int, v any) {
	text, err := xml.Marshal(v)
	if err != nil { // only types of this package get here
		panic("sandbox: " + err.Error())
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	w.Write(append([]byte(xml.Header), text...))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic("sandbox: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	w.Write(text)
}

// members is a list as the Query protocol writes it: its element is there
// even if it is empty.
type members[T any] struct {
	Member []T `xml:"member"`
}

// clip shortens what a client sent for use in a message.
func clip(s string) string {
	if s = strings.ToValidUTF8(s, "\uFFFD"); len([]rune(s)) > 100 {
		return string([]rune(s)[:100]) + "…"
	}
	return s
}
