package dev.kindling.device.unpack;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.Set;

/**
 * A folder below one that everybody may write to, for files that will be loaded as code: only this user can have put
 * anything into it.
 */
public final class PrivateFolder {
    private static final Set<PosixFilePermission> MINE = PosixFilePermissions.fromString("rwx------");

    private PrivateFolder() {}

    /**
     * The folder {@code parent/name}, made where there is none. If it is another user's, a link, or open to others, it
     * could hold anything: then a new folder, of a name that nobody can foresee.
     */
    public static Path in(Path parent, String name) throws IOException {
        Path folder = parent.resolve(name);
        try {
            Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(MINE));
        } catch (FileAlreadyExistsException e) {
            if (!belongsTo(folder, self(parent))) {
                return Files.createTempDirectory(parent, name + "-");
            }
        }
        return folder;
    }

    /** Whether {@code folder} is a folder of this user that nobody else may look into. */
    static boolean belongsTo(Path folder, UserPrincipal user) throws IOException {
        PosixFileAttributes found = Files.readAttributes(folder, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        return found.isDirectory()
                && found.owner().equals(user)
                && found.permissions().equals(MINE);
    }

    /** Who this process is, by a file that it makes: user ids need not have names. */
    static UserPrincipal self(Path parent) throws IOException {
        Path probe = Files.createTempFile(parent, "owner", ".probe");
        try {
            return Files.getOwner(probe);
        } finally {
            Files.delete(probe);
        }
    }
}
