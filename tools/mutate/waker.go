package main

// helper is the file that wakes one mutant; it is added to the package under
// test.
const helper = `
import (
	"cmp"
	"os"
	"strconv"
)

var mutantAwake = func() int { n, _ := strconv.Atoi(os.Getenv("MUTANT")); return n }()

func mutantIs(id int) bool { return id == mutantAwake }

func mutantNot(id int, v bool) bool { return v != (id == mutantAwake) }

func mutantAnd(id int, terms, x bool, y func() bool) bool {
	switch mutantAwake - id {
	case 0:
		return x || y()
	case 1:
		if terms {
			return x
		}
	case 2:
		if terms {
			return y()
		}
	}
	return x && y()
}

func mutantOr(id int, terms, x bool, y func() bool) bool {
	switch mutantAwake - id {
	case 0:
		return x && y()
	case 1:
		if terms {
			return x
		}
	case 2:
		if terms {
			return y()
		}
	}
	return x || y()
}

func mutantOrder[T cmp.Ordered](id int, op string, x, y T) bool {
	i := mutantAwake - id
	switch op {
	case "<":
		return i == 0 && x <= y || i == 1 && x >= y || i != 0 && i != 1 && x < y
	case "<=":
		return i == 0 && x < y || i == 1 && x > y || i != 0 && i != 1 && x <= y
	case ">":
		return i == 0 && x >= y || i == 1 && x <= y || i != 0 && i != 1 && x > y
	}
	return i == 0 && x > y || i == 1 && x < y || i != 0 && i != 1 && x >= y
}

type mutantInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func mutantSum[T mutantInteger](id int, op string, x, y T) T {
	switch {
	case op == "+" && id != mutantAwake, op != "+" && id == mutantAwake:
		return x + y
	case op == "*":
		return x * y
	}
	return x - y
}

func mutantMore[T mutantInteger](id int, x T) T {
	if id == mutantAwake {
		return x + 1
	}
	return x
}
`
