package main

func serve(args []string) int { return exitUsage }
