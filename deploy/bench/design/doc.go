// Package design has the ways to decide commands that are compared, each with what
// its library or its idea does best. What they have in common, so that only the
// design differs, is written down in package main.
package design
