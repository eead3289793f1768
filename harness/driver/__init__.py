"""What chaos, load, benchmarks and the demo share: processes, servers, places of a fleet, the sandbox and its log."""
