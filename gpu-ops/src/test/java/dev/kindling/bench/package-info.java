/** Benchmarks, each with a main: they verify first, warm up, then print what they measured beside their peers. */
package dev.kindling.bench;
