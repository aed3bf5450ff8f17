package dev.kindling.device;

/** What every part of {@link OpsContract} is given. */
public interface OpsUnderTest {
    OpsFixture fixture();
}
