// Package credentials makes what servers and users identify themselves with: a
// directory of keys, passwords and certificates, one file each, for those who
// need it and nobody else.
//
//	nats/keys.conf, nats/organizations.conf   public keys, for NATS' configuration
//	nats/tls/{server.crt,server.key,ca.crt}
//	postgres/password                         the superuser's
//	postgres/tls/{server.crt,server.key}
//	ca.crt, ca/ca.key                         the authority that signed them
//	worker/{nats.nk,database.password}        gateway and operator likewise
//	migrate/database.password
//	administrator/nats.nk
//	reader/database.password
//	organizations/<token>/{producer.nk,producer.pub,consumer.nk,consumer.pub}
//
// Create (create.go) keeps what is there: a key, a password or a certificate is
// never replaced, and made anew only when its file is gone. A file appears whole
// or not at all (directory.go), so a run that was killed is simply run again.
//
// Of an organization's users the public key has a file too, so that the seed
// can be handed over and need not stay.
package credentials
