"""Events: what a pipeline may hang on, told of every change that was written.

``catalogue`` says which events there are and what they hold, ``derive`` makes them of the images before and
after a write, ``publish`` puts them on an EventBridge bus off the table's stream. A local server takes the
same images from an outbox and prints them (``local.tell``). No request waits for any of it.
"""
