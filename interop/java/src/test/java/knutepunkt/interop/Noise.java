package knutepunkt.interop;

import java.io.InputStream;

/** Bytes that do not compress, the same every time (xorshift64). */
final class Noise extends InputStream {
    private long left;
    private long state = 0x9E3779B97F4A7C15L;
    private long word;
    private int bytesOfWord;

    Noise(long size) {
        left = size;
    }

    @Override
    public int read() {
        if (left == 0) {
            return -1;
        }
        left--;
        if (bytesOfWord == 0) {
            state ^= state << 13;
            state ^= state >>> 7;
            state ^= state << 17;
            word = state;
            bytesOfWord = Long.BYTES;
        }
        int next = (int) (word & 0xFF);
        word >>>= 8;
        bytesOfWord--;
        return next;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
        if (length == 0) {
            return 0;
        }
        if (left == 0) {
            return -1;
        }
        int count = (int) Math.min(length, left);
        for (int i = 0; i < count; i++) {
            into[offset + i] = (byte) read();
        }
        return count;
    }
}
