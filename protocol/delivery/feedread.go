package delivery

import "stockade/protocol/stock"

// FeedReader is what a HubStore may be besides, when it wants to know how far nodes say that they have read.
type FeedReader interface {
	// FeedRead is told of each feed that a node names in a hello, before what follows is sent.
	FeedRead(node stock.NodeID, at FeedPlace) error
}
