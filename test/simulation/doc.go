// Package simulation drives the production sync core, ledger and log through random
// histories made from a seed: messages lost, doubled, reordered and delayed, crashes before and
// after every commit, restored disks, cloned cards, wrong clocks, a hub restored from
// a backup. After each history the world is given time to settle, and is then checked.
//
// Only storage and transport are the simulation's own; every decision is made by the packages
// delivery, change, audit, feed and stock as they run in the real programs.
package simulation
