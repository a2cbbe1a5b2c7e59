"""The table: keys, items, engines. Nothing else speaks to DynamoDB."""
