"""What the ports decide before any store is asked: criteria, orders, pages, cursors, errors."""
