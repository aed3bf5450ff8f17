package dev.kindling.tracking;

import java.net.URI;
import java.util.Map;

/**
 * What a run is called on a tracking server, and what is known of it from the start.
 *
 * @param server its address, http or https
 * @param experiment that the run belongs to; made where there is none of that name
 * @param name of the run
 * @param directory the run directory, by which a resumed run is found again
 * @param params the configuration, by key
 * @param resumed whether to go on with the run of that directory, if the server has one
 */
public record TrackedRun(
        URI server, String experiment, String name, String directory, Map<String, String> params, boolean resumed) {

    public TrackedRun {
        params = Map.copyOf(params);
    }
}
