package access

import "strings"

// fieldsOf are the classes of fields that things of a resource have, in the order in which they are shown.
var fieldsOf = map[string][]FieldClass{
	"stock":          {Cost, Price},
	"movement":       {Cost},
	"transfer":       {Cost},
	"count":          {Cost},
	"valuation":      {Cost, Amount},
	"goods_receipt":  {Cost, Amount, Name, Phone, Address, Email},
	"purchase_order": {Cost, Amount, Name, Phone, Address, Email},
	"supplier":       {Amount, Name, Phone, Address, Email, Bank},
	"sales_order":    {Price, Amount, Name, Phone, Address, Email},
	"shipment":       {Price, Amount, Name, Phone, Address, Email},
	"customer":       {Price, Amount, Name, Phone, Address, Email, Identity, Bank},
	"price":          {Cost, Price},
	"payment":        {Amount, Name, Bank},
	"person":         {Name, Phone, Email, Identity},
	"field":          {Name, Phone, Address, Email, Identity, Bank}, // field.unmask: that may be seen for a reason
}

// FieldsOf returns the classes of fields that a permission can open, none for most. The list is the registry's: read it only.
func FieldsOf(p Permission) []FieldClass {
	resource, _, _ := strings.Cut(string(p), ".")
	return fieldsOf[resource]
}
