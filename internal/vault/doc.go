// Package vault keeps a program's data in a file that is unreadable without its key.
//
// A Store is one SQLite database in which every page is encrypted and authenticated
// (SQLCipher 4 scheme: AES-256-CBC, HMAC-SHA-512), the write-ahead log included;
// temporary data never leaves memory. Open refuses to work with a library that cannot
// encrypt and with a file that is not encrypted, and leaves a file that it cannot read
// exactly as it is.
//
// A write is an act: a function handed to Update, which returns after the commit has
// reached the disk. Acts that wait at the same time share one commit, so many scanners
// cost little more than one; each is undone alone when it fails. Readers see the last
// commit and never wait for a writer.
//
// Other processes may open the same store at the same time: commands work while the
// server runs.
//
// Where the key lives is not the store's business: a caller hands it in. LoadKeyFile and
// LoadOrCreateKeyFile read it from a file that must lie outside the data folder.
package vault
