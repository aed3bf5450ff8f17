package dev.kindling.device.cuda.library;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NativeRebinderTest {
    @Test
    void hashIsTheOneOfTheSystemVAbi() {
        // Values that readelf -V and the ABI's own example give.
        assertThat(NativeRebinder.hash("GLIBC_2.2.5")).isEqualTo(0x09691a75);
        assertThat(NativeRebinder.hash("GLIBC_2.17")).isEqualTo(0x06969197);
    }

    @ParameterizedTest
    @CsvSource({"JNvrtc,libnvrtc.so", "JCublas2,libcublas.so"})
    void onlyTheNameAndItsHashChange(String name, String library) throws Exception {
        byte[] original = JCudaNatives.image(name, 12);
        byte[] rebound = JCudaNatives.image(name, 13);
        assertThat(count(original, "\0" + library + ".12\0")).isPositive();
        assertThat(count(rebound, "\0" + library + ".12\0")).isZero();
        assertThat(count(rebound, "\0" + library + ".13\0")).isEqualTo(count(original, "\0" + library + ".12\0"));
        int changed = 0;
        for (int i = 0; i < original.length; i++) {
            changed += original[i] == rebound[i] ? 0 : 1;
        }
        // One digit in .dynstr, and the lowest byte of the hash.
        assertThat(changed).isEqualTo(2);
    }

    @Test
    void theDriversNativeStaysAsItIs() throws Exception {
        assertThat(JCudaNatives.image("JCudaDriver", 13)).isEqualTo(JCudaNatives.image("JCudaDriver", 12));
    }

    @Test
    void refusesWhatItCannotRebind() throws Exception {
        byte[] image = JCudaNatives.image("JNvrtc", 12);
        assertThatThrownBy(() -> NativeRebinder.rebind(image, "libcublas.so.12", "libcublas.so.13"))
                .hasMessageContaining("libcublas.so.12")
                .hasMessageContaining("does not need it");
        assertThatThrownBy(() -> NativeRebinder.rebind(image, "libnvrtc.so.12", "libnvrtc.so.130"))
                .hasMessageContaining("differ in length");
        assertThatThrownBy(() -> NativeRebinder.rebind(new byte[100], "a", "b"))
                .hasMessageContaining("not a little-endian ELF");
    }

    @Test
    void nativesGoIntoAPrivateFolderAndAreReused(@TempDir Path parent) throws Exception {
        Path first = JCudaNatives.prepare(parent, 13);
        Path file = first.resolve("libJNvrtc-12.6.0-linux-x86_64.so");
        assertThat(Files.readAllBytes(file)).isEqualTo(JCudaNatives.image("JNvrtc", 13));
        Files.write(file, new byte[] {1, 2, 3});
        assertThat(JCudaNatives.prepare(parent, 13)).isEqualTo(first);
        assertThat(Files.readAllBytes(file)).isEqualTo(JCudaNatives.image("JNvrtc", 13));
        assertThat(JCudaNatives.prepare(parent, 12)).isNotEqualTo(first);
    }

    @Test
    void aFolderThatOthersCanWriteIsNotTrusted(@TempDir Path parent) throws Exception {
        Path first = JCudaNatives.prepare(parent, 12);
        Files.setPosixFilePermissions(first, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThat(JCudaNatives.prepare(parent, 12)).isNotEqualTo(first);
    }

    private static int count(byte[] image, String text) {
        String all = new String(image, StandardCharsets.ISO_8859_1);
        int count = 0;
        for (int at = all.indexOf(text); at >= 0; at = all.indexOf(text, at + 1)) {
            count++;
        }
        return count;
    }
}
