"""Analytics: events accepted over HTTP and from other domains, counted exactly by a worker."""
