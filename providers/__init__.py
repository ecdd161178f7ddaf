"""Who is rented from: the interface every provider keeps, the factory, and one folder per provider."""
