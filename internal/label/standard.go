package label

import "stockade/internal/symbol"

// Standard returns the templates that every company begins with, one of each kind. The hub's
// editor makes others of them; one with the same id takes its place.
func Standard() []Template {
	bars := []symbol.Kind{symbol.GS1128, symbol.GS1DataMatrix}
	return []Template{
		{
			ID: "item", Kind: Item, Name: "商品标签", NameEN: "Item label", Width: 60, Height: 40, Gap: 2,
			Elements: []Element{
				{Type: Text, X: 2, Y: 2, Width: 56, Size: 5, Content: "{name!}"},
				{Type: Text, X: 2, Y: 8, Width: 56, Size: 3, Content: "{sku!}[  {quantity} {unit}]"},
				{Type: Code, X: 2, Y: 12, Width: 56, Height: 18, Size: 2.5, Content: "(01){gtin}(21){serial}", Symbols: bars},
				{Type: Text, X: 2, Y: 31, Width: 56, Size: 3, Content: "[S/N {serial}]"},
				{Type: Text, X: 2, Y: 35, Width: 56, Size: 3, Content: "{day}"},
			},
		},
		{
			ID: "lot", Kind: Lot, Name: "批次标签", NameEN: "Lot label", Width: 60, Height: 40, Gap: 2,
			Elements: []Element{
				{Type: Text, X: 2, Y: 2, Width: 56, Size: 5, Content: "{name!}"},
				{Type: Text, X: 2, Y: 8, Width: 56, Size: 3, Content: "{sku!}[  {quantity} {unit}]"},
				{Type: Code, X: 2, Y: 12, Width: 56, Height: 18, Size: 2.5, Content: "(01){gtin}(17){expiry}(10){lot}(21){serial}", Symbols: bars},
				{Type: Text, X: 2, Y: 31, Width: 56, Size: 3, Content: "[LOT {lot}][  S/N {serial}]"},
				{Type: Text, X: 2, Y: 35, Width: 56, Size: 3, Content: "[EXP {expiry}][  {day}]"},
			},
		},
		{
			ID: "bin", Kind: Bin, Name: "库位标签", NameEN: "Bin label", Width: 100, Height: 50, Gap: 2,
			Elements: []Element{
				{Type: Text, X: 3, Y: 3, Width: 94, Size: 14, Align: Center, Content: "{bin!}"},
				{Type: Code, X: 10, Y: 20, Width: 80, Height: 20, Content: "BIN:{bin!}", Symbols: []symbol.Kind{symbol.Code128}, Module: 0.5},
				{Type: Text, X: 3, Y: 42, Width: 94, Size: 5, Align: Center, Content: "[{warehouse}  ][{bin_name}]"},
			},
		},
		{
			ID: "pallet", Kind: Pallet, Name: "托盘标签", NameEN: "Pallet label", Width: 100, Height: 150, Gap: 3,
			Elements: []Element{
				{Type: Text, X: 4, Y: 4, Width: 92, Size: 4, Content: "{warehouse}"},
				{Type: Line, X: 4, Y: 10, Width: 92, Height: 0.4},
				{Type: Text, X: 4, Y: 13, Width: 92, Size: 8, Lines: 2, Content: "{name}"},
				{Type: Text, X: 4, Y: 34, Width: 92, Size: 5, Content: "[{sku}  ][{quantity} {unit}]"},
				{Type: Text, X: 4, Y: 41, Width: 92, Size: 5, Content: "[LOT {lot}  ][EXP {expiry}]"},
				{Type: Text, X: 4, Y: 48, Width: 92, Size: 4, Content: "SSCC {sscc!}"},
				{Type: Line, X: 4, Y: 54, Width: 92, Height: 0.4},
				{Type: Code, X: 4, Y: 58, Width: 92, Height: 36, Size: 4, Content: "(02){gtin}(17){expiry}(37){quantity}(10){lot}", Symbols: bars, Module: 0.5},
				{Type: Code, X: 4, Y: 104, Width: 92, Height: 40, Size: 4, Content: "(00){sscc!}", Symbols: []symbol.Kind{symbol.GS1128}, Module: 0.5},
			},
		},
		{
			ID: "shipping", Kind: Shipping, Name: "快递面单", NameEN: "Shipping label", Width: 100, Height: 150, Gap: 3,
			Elements: []Element{
				{Type: Text, X: 4, Y: 4, Width: 60, Size: 5, Content: "{warehouse}"},
				{Type: Text, X: 64, Y: 4, Width: 32, Size: 4, Align: Right, Content: "{day}"},
				{Type: Line, X: 4, Y: 11, Width: 92, Height: 0.4},
				{Type: Text, X: 4, Y: 14, Width: 60, Size: 7, Content: "{recipient!}"},
				{Type: Text, X: 56, Y: 15, Width: 40, Size: 6, Align: Right, Content: "{phone}"},
				{Type: Text, X: 4, Y: 24, Width: 92, Size: 6, Lines: 4, Content: "{address!}"},
				{Type: Line, X: 4, Y: 54, Width: 92, Height: 0.4},
				{Type: Text, X: 4, Y: 57, Width: 56, Size: 4, Content: "{sender}"},
				{Type: Text, X: 60, Y: 57, Width: 36, Size: 4, Align: Right, Content: "{sender_phone}"},
				{Type: Text, X: 4, Y: 63, Width: 92, Size: 4, Lines: 2, Content: "{sender_address}"},
				{Type: Line, X: 4, Y: 74, Width: 92, Height: 0.4},
				{Type: Code, X: 4, Y: 78, Width: 92, Height: 22, Size: 4, Content: "{order!}", Symbols: []symbol.Kind{symbol.Code128}, Module: 0.5},
				{Type: Text, X: 4, Y: 102, Width: 60, Size: 4, Content: "{note}"},
				{Type: Text, X: 64, Y: 102, Width: 32, Size: 5, Align: Right, Content: "{parcel}"},
				{Type: Code, X: 4, Y: 110, Width: 92, Height: 36, Size: 4, Content: "(00){sscc}", Symbols: []symbol.Kind{symbol.GS1128}, Module: 0.5},
			},
		},
		{
			ID: "badge", Kind: Badge, Name: "工牌", NameEN: "Badge", Width: 60, Height: 40, Gap: 2,
			Elements: []Element{
				{Type: Box, X: 1, Y: 1, Width: 58, Height: 38, Stroke: 0.4},
				{Type: Text, X: 3, Y: 3, Width: 54, Size: 3, Content: "{warehouse}"},
				{Type: Text, X: 3, Y: 8, Width: 54, Size: 8, Align: Center, Content: "{person!}"},
				{Type: Text, X: 3, Y: 18, Width: 54, Size: 3.5, Align: Center, Content: "{title}"},
				{Type: Code, X: 5, Y: 24, Width: 50, Height: 13, Size: 2.5, Content: "{badge!}", Symbols: []symbol.Kind{symbol.Code128, symbol.QR}},
			},
		},
	}
}

// Sample returns values that show what a template of the kind looks like.
func (k Kind) Sample() Values {
	return Values{
		"name": "长粒香大米 5kg", "name_en": "Long-grain rice 5 kg", "sku": "SP-001", "gtin": "06910420000037", "lot": "L2026-117", "expiry": "2027-10-31", "quantity": "12", "unit": "袋",
		"day": "2026-11-26", "bin": "A-01-1", "bin_name": "A 区 1 排", "warehouse": "SHA", "sscc": "369104200000000014", "order": "SO-2026-004711", "parcel": "1/2",
		"recipient": "王小明", "phone": "138****5678", "address": "上海市浦东新区张江镇科苑路 88 号 3 幢 1202 室", "sender": "上海仓", "sender_phone": "021-5555 0100",
		"sender_address": "上海市嘉定区安亭镇墨玉路 28 号", "note": "请勿倒置", "person": "李雷", "title": "仓管员", "badge": "STK-B-4K7Q2M",
	}
}
