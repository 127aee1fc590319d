// Package audit is the log: what its leaves say, how they are hashed, and how
// anybody checks that it is whole. It reads and writes nothing by itself; the
// rows are kept by package store.
//
// # The story
//
// Every [brevet.Event] becomes a [Leaf]: a few lines of text with the time,
// the kind, the customer (blinded), the customer's own sequence number and a
// salted hash of the event's details. The leaf's hash enters an RFC 6962
// Merkle tree, whose right edge a [Frontier] keeps. After every batch the
// tree's size and root are signed: a [Head], written as a C2SP checkpoint
// (https://c2sp.org/tlog-checkpoint), which is a signed note with a key of
// the log's own.
//
// Salt and details lie in ordinary rows beside the leaf. Both can be erased
// while the tree stays whole, and a customer can be shown its own leaves and
// only the hashes of everybody else's: the blinded name tells nothing to
// those who lack the salt, and the sequence numbers show that none of its own
// was left out.
//
// A [Checker] is the other side. It is fed the rows in order, rebuilds the
// tree, compares it with a signed head and with the head that was seen last,
// and names every row that was edited, removed or moved.
//
// The encodings are written down with a test vector in docs/log.md. They
// never change; what must change gets a new first line.
package audit
