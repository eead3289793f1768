# The base image once more, where Dependabot can read it. The Dockerfile has it as an argument; a test compares them.
FROM python:3.13-slim-trixie
