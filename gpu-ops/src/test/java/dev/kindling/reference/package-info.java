/** What every operation means, in double precision and the plainest code; tests compare devices with it. */
package dev.kindling.reference;
