package broker

// What is tested of sealed codes is not how long a hash takes.
func init() { hashRounds = 16 }
