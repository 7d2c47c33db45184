"""What AWS asks and allows, each with where it was read and when: dollars without tax, free tiers or discounts."""

from dataclasses import dataclass

EAST, TOKYO = "us-east-1", "ap-northeast-1"
REGIONS = (EAST, TOKYO)
DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"

# Where a price or a limit was read. AWS's pages show prices by script, so dated copies of its price list were used.
SOURCES = {
    "tokyo": "AWS Price List (offer files of ap-northeast-1), read 2026-09-23, as quoted in a public repository",
    "tokyo-logs": "AWS Price List query for ap-northeast-1, 2026-07-20, as quoted in a public repository",
    "arm": "<https://aws.amazon.com/lambda/pricing/>; one price in all regions but five, neither of these among them"
    " (npm artillery 2.0.28, which carries them)",
    "east-dynamodb": "<https://aws.amazon.com/dynamodb/pricing/on-demand/>, halved in November 2024; as quoted"
    " 2025-07-21 by airbyte.com",
    "east-logs": "AWS Pricing API for us-east-1, 2025-10-28, as quoted in a public repository",
    "secrets": "<https://aws.amazon.com/secrets-manager/pricing/>, examples on the page, read 2026-09-20",
    "scheduler": "AWS Price List, effective 2024-10-01, in a public copy: the first 14 million a month are free",
    "pitr": "AWS Price List API, 2026-09-05, for us-west-2, whose prices are those of us-east-1",
    "list": "AWS's list price of long standing; no dated copy was found",
    "streams": f"<{DYNAMODB}/CostOptimization_StreamsUsage.html>: Lambda reads a stream for nothing",
    "units": f"<{DYNAMODB}/CapacityUnitCalculations.html>: sizes, units, 100 bytes of storage more for each item",
    "partition": "<https://repost.aws/knowledge-center/on-demand-table-throttling-dynamodb>: a partition takes 1,000"
    " write and 3,000 read units a second, a new on-demand table 4,000 write units",
    "gsi": f"<{DYNAMODB}/gsi-throttling.html>: an index that cannot keep up throttles the writes to its table",
    "quota": f"<{DYNAMODB}/ServiceQuotas.html>: by default 40,000 write units a second for an on-demand table",
    "mapping": f"<{LAMBDA}/services-ddb-params.html>: up to 10 batches of a shard at once",
    "lambda": f"<{LAMBDA}/gettingstarted-limits.html>: by default 1,000 concurrent executions",
    "s3": "<https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>: 3,500 puts a second"
    " for each partitioned prefix",
}

# Cited limits, a second.
PARTITION_WRITES, PARTITION_READS = 1000, 3000
NEW_TABLE_WRITES, TABLE_WRITES = 4000, 40_000
CONCURRENCY, MOST_PARALLEL, PUTS = 1000, 10, 3500
ITEM_OVERHEAD = 100


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs in each region."""

    what: str
    unit: str
    east: float
    tokyo: float
    sources: tuple[str, ...]

    def of(self, region: str) -> float:
        """Give the price in a region."""
        return self.east if region == EAST else self.tokyo


PRICES = {
    "write": Price("DynamoDB, on demand: write units", "a million", 0.625, 0.715, ("east-dynamodb", "tokyo")),
    "read": Price("DynamoDB, on demand: read units", "a million", 0.125, 0.1425, ("east-dynamodb", "tokyo")),
    "stream": Price("DynamoDB Streams, read by Lambda", "any number", 0.0, 0.0, ("streams",)),
    "stored": Price("DynamoDB, standard table class: storage", "GB-month", 0.25, 0.285, ("list",)),
    "pitr": Price("DynamoDB: point-in-time recovery", "GB-month", 0.20, 0.228, ("pitr", "list")),
    "request": Price("Lambda: requests", "a million", 0.20, 0.20, ("arm", "tokyo")),
    "gb_second": Price("Lambda, arm64: time", "GB-second", 0.0000133334, 0.0000133334, ("arm",)),
    "log": Price("CloudWatch Logs: taken in", "GB", 0.50, 0.76, ("east-logs", "tokyo")),
    "log_stored": Price("CloudWatch Logs: stored", "GB-month", 0.03, 0.033, ("list", "tokyo-logs")),
    "out": Price("Data to the internet, the first 10 TB", "GB", 0.09, 0.114, ("list", "tokyo")),
    "secret": Price("Secrets Manager: secrets", "secret and month", 0.40, 0.40, ("secrets", "tokyo")),
    "secret_call": Price("Secrets Manager: calls", "a million", 5.00, 5.00, ("secrets",)),
    "alarm": Price("CloudWatch: alarms", "alarm and month", 0.10, 0.10, ("list", "tokyo")),
    "schedule": Price("EventBridge Scheduler: starts", "a million", 1.00, 1.25, ("list", "scheduler")),
    "put": Price("S3: PUT, COPY, POST", "a million", 5.00, 4.70, ("list", "tokyo")),
    "get": Price("S3: GET and others", "a million", 0.40, 0.37, ("list", "tokyo")),
    "s3_stored": Price("S3 Standard: storage", "GB-month", 0.023, 0.025, ("list", "tokyo")),
}


def note(*sources: str) -> str:
    """Refer to sources by their numbers."""
    numbers = [list(SOURCES).index(name) + 1 for name in sources]
    return "[" + ", ".join(map(str, numbers)) + "]"
