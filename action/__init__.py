"""The GitHub Action: runs one command of Maia in a container and gives its verdict to the workflow.

Standard library only, so that nothing is installed on the runner. From the bottom up:

- `text`: make foreign text harmless.
- `runner`, `masks`: speak to the Actions runner, and what it must hide.
- `inputs`, `settings`: what the step was given.
- `cancel`, `process`: child processes that end when the job is cancelled.
- `image`, `container`, `result`: the Docker image, one run of it, and the result file that it leaves.
- `verdicts`: what each exit code means for the step; `summary`: the same in words.
- `run_figures`, `chart`: the report of a workflow run, in tables and charts.
- `github`: the issue of the stale check.
- `commands`: shard, plan, verdict, check, report; `main` puts them together.
"""
