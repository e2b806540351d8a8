package intake_test

import (
	"context"
	"fmt"
	"testing"

	"stockade/hub/hubtest"
	"stockade/hub/intake"
	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// BenchmarkProcess takes in 100-change batches of four nodes over many items and bins.
func BenchmarkProcess(b *testing.B) {
	h := hubtest.New(b, func(o *vault.Options) { o.CacheKiB = 64 << 10 })
	var nodes []*hubtest.Node
	for i := range 4 {
		nodes = append(nodes, h.Node(stock.NodeID(fmt.Sprint("n-", i)), stock.Warehouse(fmt.Sprint("W", i))))
	}
	var in []intake.Incoming
	for i := 0; i < b.N; i += 100 {
		n := nodes[i/100%len(nodes)]
		var ms []stock.Movement
		for j := range 100 {
			ms = append(ms, hubtest.Receipt(n.W, i*7+j))
		}
		in = append(in, n.Batch(ms...))
	}
	b.ResetTimer()
	out, err := h.Intake.Process(context.Background(), in)
	hubtest.Check(b, err)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(len(out)), "answers")
}
