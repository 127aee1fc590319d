package stack_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

var place = stack.Place{Partition: "aws", Account: "111122223333", Region: "eu-west-1", Stack: "brevet-access"}

func read(t testing.TB, text string) *stack.Template {
	t.Helper()
	got, err := stack.ReadTemplate("t.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func deploy(t testing.TB, text string, parameters map[string]string) *stack.Deployment {
	t.Helper()
	d, err := read(t, text).Deploy(place, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// every function in both forms, and what they come out as.
const functions = `
AWSTemplateFormatVersion: "2010-09-09"
Description: All functions
Metadata: {Brevet: {Contract: 1, Customer: acme}}
Parameters:
  Text: {Type: String, Default: hello}
  List: {Type: CommaDelimitedList, Default: "a, b,c"}
  Number: {Type: Number, Default: 3600, MinValue: 1}
  Freeze: {Type: String, Default: "false", AllowedValues: ["true", "false"]}
Mappings:
  Map: {one: {two: three}, eu-west-1: {list: [x, y]}}
Conditions:
  Frozen: !Equals [!Ref Freeze, "true"]
  Thawed: !Not [!Condition Frozen]
  Both: !And [!Condition Frozen, {Condition: Thawed}]
  Some: {"Fn::Or": [{"Condition": Frozen}, !Condition Thawed]}
  HasList: !Not [!Equals [!Join ["", !Ref List], ""]]
Resources:
  Other:
    Type: Custom::Thing
    Condition: Frozen
    Properties: {A: b}
  Role:
    Type: AWS::IAM::Role
    DependsOn: [Other]
    DeletionPolicy: Retain
    Properties:
      RoleName: brevet-Admin
      MaxSessionDuration: !Ref Number
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
  Thing:
    Type: Custom::Thing
    Properties:
      Plain: !Ref Text
      Long: {Ref: AWS::AccountId}
      List: !Ref List
      Sub: !Sub "${Text} ${!aws:userid} ${AWS::Partition} ${Role} ${Role.Arn}"
      Two: !Sub ["${x}-${Text}", {x: !Select [0, !Ref List]}]
      Arn: !GetAtt Role.Arn
      LongArn: {"Fn::GetAtt": [Role, Arn]}
      If: !If [Frozen, yes it is, !If [Thawed, no, !Ref AWS::NoValue]]
      Gone: !If [Frozen, x, !Ref AWS::NoValue]
      Items: [a, !Ref AWS::NoValue, b]
      Join: !Join ["-", [a, !Ref Text, 3, true]]
      Split: !Split [".", a.b.c]
      Find: !FindInMap [Map, one, two]
      FindList: !Join [",", !FindInMap [Map, !Ref AWS::Region, list]]
      Condition: {StringEquals: {a: b}}
      Only: {Condition: plain}
      Both: !If [Both, both, neither]
      Some: !If [Some, some, none]
      Has: !If [HasList, has, has not]
      Types: [1, 1.5, true, null, "1", 2012-10-17]
Outputs:
  Arn: {Value: !GetAtt Role.Arn, Export: {Name: !Sub "${AWS::StackName}-arn"}}
  Never: {Value: x, Condition: Frozen}
`

func TestDeploy(t *testing.T) {
	d := deploy(t, functions, nil)
	r, ok := d.Resource("Thing")
	if !ok {
		t.Fatal("no resource")
	}
	want := map[string]any{
		"Plain": "hello", "Long": "111122223333", "List": []any{"a", "b", "c"},
		"Sub": "hello ${aws:userid} aws brevet-Admin arn:aws:iam::111122223333:role/brevet-Admin", "Two": "a-hello",
		"Arn": "arn:aws:iam::111122223333:role/brevet-Admin", "LongArn": "arn:aws:iam::111122223333:role/brevet-Admin",
		"If": "no", "Items": []any{"a", "b"}, "Join": "a-hello-3-true", "Split": []any{"a", "b", "c"}, "Find": "three", "FindList": "x,y",
		"Condition": map[string]any{"StringEquals": map[string]any{"a": "b"}}, "Only": map[string]any{"Condition": "plain"},
		"Both": "neither", "Some": "some", "Has": "has", "Types": []any{int64(1), 1.5, true, nil, "1", "2012-10-17"},
	}
	if diff := cmp.Diff(want, r.Properties); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"Arn": "arn:aws:iam::111122223333:role/brevet-Admin"}, d.Outputs); diff != "" {
		t.Error(diff)
	}
	if _, ok := d.Resource("Other"); ok {
		t.Error("a resource whose condition fails is there")
	}
	frozen := deploy(t, functions, map[string]string{"Freeze": "true", "List": ""})
	r, _ = frozen.Resource("Thing")
	if r.Properties["If"] != "yes it is" || r.Properties["Gone"] != "x" || r.Properties["Has"] != "has not" || len(frozen.Resources) != 3 || len(frozen.Outputs) != 2 {
		t.Errorf("%v, %v", r.Properties, frozen.Outputs)
	}
}

// The same in JSON, in long forms.
func TestReadJSON(t *testing.T) {
	d := deploy(t, `{"Parameters": {"P": {"Type": "String", "Default": "x\/y"}},
	"Resources": {"R": {"Type": "Custom::X", "Properties": {"A": {"Fn::Sub": "${P}"}, "B": {"Fn::Join": ["", ["1", {"Ref": "P"}]]}}}}}`, nil)
	if diff := cmp.Diff(map[string]any{"A": "x/y", "B": "1x/y"}, d.Resources[0].Properties); diff != "" {
		t.Error(diff)
	}
}

// Each file of testdata/template/bad is a template; its first line says what
// the error must hold.
func TestReadRefuses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "template", "bad.txt"))
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split(string(text), "\n=== ")[1:]
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		want, body, _ := strings.Cut(c, "\n")
		t.Run(want, func(t *testing.T) {
			tmpl, err := stack.ReadTemplate("t.yaml", []byte(body))
			if err == nil {
				_, err = tmpl.Deploy(place, nil)
			}
			if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v; want %q in it", err, want)
			}
		})
	}
}

func TestReadRefusesSize(t *testing.T) {
	body := "Resources:\n  A: {Type: Custom::X}\n"
	fits := body + strings.Repeat("#", stack.LongestTemplate-len(body))
	if _, err := stack.ReadTemplate("t.yaml", []byte(fits)); err != nil {
		t.Errorf("%d bytes: %v", len(fits), err)
	}
	_, err := stack.ReadTemplate("t.yaml", []byte(fits+"#"))
	if err == nil || err.Error() != "t.yaml:1: 51201 bytes are too many; CloudFormation takes at most 51200 in a call" {
		t.Error(err)
	}
}

func TestParameters(t *testing.T) {
	const text = `
Parameters:
  Need: {Type: String, MinLength: 2, MaxLength: 4}
  Pattern: {Type: String, Default: ab, AllowedPattern: "[a-z]+", ConstraintDescription: lower case letters only}
  List: {Type: CommaDelimitedList, Default: "", AllowedPattern: "[0-9./]*"}
  Number: {Type: Number, Default: 5, MinValue: 1, MaxValue: 9}
  Numbers: {Type: "List<Number>", Default: "1, 2"}
  One: {Type: String, Default: a, AllowedValues: [a, b]}
  Secret: {Type: String, Default: aa, NoEcho: true, MinLength: 2}
Resources:
  A: {Type: Custom::X, Properties: {Numbers: !Ref Numbers}}
`
	with := func(k, v string) map[string]string { return map[string]string{"Need": "abc", k: v} }
	for _, c := range []struct {
		given map[string]string
		want  string // "": it is taken
	}{
		{with("One", "b"), ""},
		{with("List", "10.0.0.0/8, 192.0.2.7"), ""},
		{with("Number", "9"), ""},
		{nil, "t.yaml:3: Parameters.Need: needs a value"},
		{map[string]string{"Need": "a"}, `t.yaml:3: Parameters.Need: "a" is shorter than 2 characters`},
		{map[string]string{"Need": "abcde"}, `"abcde" is longer than 4 characters`},
		{with("Pattern", "AB"), `Parameters.Pattern: "AB" is not right: lower case letters only`},
		{with("Pattern", "ab\n"), `is not right`},
		{with("List", "10.0.0.0/8,x"), `t.yaml:5: Parameters.List: "10.0.0.0/8,x" does not have the form [0-9./]*`},
		{with("Number", "0"), `"0" is less than 1`},
		{with("Number", "10"), `"10" is more than 9`},
		{with("Number", "five"), `"five" is not a number`},
		{with("Numbers", "1,x"), `is not a number`},
		{with("One", "c"), `"c" is none of a, b`},
		{with("Secret", "x"), `the value is shorter`},
		{with("Nope", "c"), `t.yaml:1: Parameters: there is no parameter "Nope"; there are Need, Pattern, List, Number, Numbers, One, Secret`},
	} {
		_, err := read(t, text).Deploy(place, c.given)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), strings.TrimPrefix(c.want, "the "))) {
			t.Errorf("%v: %v; want %q", c.given, err, c.want)
		}
	}
}

func TestDeployRefusesPlaces(t *testing.T) {
	tmpl := read(t, "Resources: {A: {Type: Custom::X}}")
	for _, p := range []stack.Place{{}, {Partition: "aws", Account: "1", Region: "eu-west-1", Stack: "s"}, {Account: "111122223333", Region: "eu-west-1", Stack: "s"}} {
		if _, err := tmpl.Deploy(p, nil); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// What is read must never panic, hang or grow, and a template that is read
// and deployed can be installed or says why not.
func FuzzReadTemplate(f *testing.F) {
	f.Add(functions)
	f.Add(installable)
	text, err := os.ReadFile(filepath.Join("testdata", "template", "bad.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range strings.Split(string(text), "\n=== ")[1:] {
		_, body, _ := strings.Cut(c, "\n")
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := stack.ReadTemplate("t.yaml", []byte(text))
		if err == nil {
			var d *stack.Deployment
			if d, err = tmpl.Deploy(place, nil); err == nil {
				_, err = stack.Install(d)
			}
		}
		if err != nil && !errors.Is(err, brevet.Invalid) {
			t.Errorf("%v is of kind %s", err, brevet.KindOf(err))
		}
		if err != nil && strings.ContainsRune(err.Error(), 0x1b) {
			t.Error("the message holds an escape")
		}
	})
}

func ExampleReadTemplate() {
	t, err := stack.ReadTemplate("access.yaml", []byte("Resources:\n  Role:\n    Type: AWS::IAM::Role\n    Properties: {RoleNam: x}\n"))
	fmt.Println(t, err)
	// Output: <nil> access.yaml:4: Resources.Role.Properties.RoleNam: AWS::IAM::Role has no such property
}
