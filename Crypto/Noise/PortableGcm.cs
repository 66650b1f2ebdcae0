using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FastExit.Crypto.Noise;

// AES-256-GCM's two halves for processors without the instructions: counter blocks by the system's AES, GHASH in integers.
//
// References
//   SP 800-38D §6.3, §6.4; a carry-less product out of integer products: every fourth bit at a time, so that carries fall
//   into the gaps (Pornin, "Constant-time Mul", as in many libraries)
//
// Constant time: 64-bit multiplications, shifts and logic; AES is the system's, which has no tables. Unlike the kernel, the
// system's call allocates.
internal sealed class PortableGcm : IDisposable
{
    private const int BlockBytes = 16, BatchBlocks = 64;
    private readonly Aes _aes = Aes.Create();
    private readonly byte[] _stream = new byte[BatchBlocks * BlockBytes];
    private ulong _high, _low;

    public void SetKey(ReadOnlySpan<byte> key)
    {
        _aes.Key = key.ToArray();
        Span<byte> h = stackalloc byte[BlockBytes];
        h.Clear();
        _aes.EncryptEcb(h, h, PaddingMode.None);
        _high = BinaryPrimitives.ReadUInt64BigEndian(h);
        _low = BinaryPrimitives.ReadUInt64BigEndian(h[8..]);
    }

    public void EncryptBlock(ReadOnlySpan<byte> block, Span<byte> output) => _aes.EncryptEcb(block, output, PaddingMode.None);

    public void Crypt(
        ReadOnlySpan<byte> counterBlock, uint counter, Span<byte> y, ReadOnlySpan<byte> source, Span<byte> destination, bool encrypts)
    {
        while (!source.IsEmpty)
        {
            int bytes = Math.Min(source.Length, _stream.Length);
            Span<byte> stream = _stream.AsSpan(0, bytes);
            for (int at = 0; at < bytes; at += BlockBytes)
            {
                counterBlock[..12].CopyTo(stream[at..]);
                BinaryPrimitives.WriteUInt32BigEndian(stream[(at + 12)..], counter++);
            }

            _aes.EncryptEcb(stream, stream, PaddingMode.None);
            if (!encrypts)
                Hash(y, source[..bytes]);
            for (int i = 0; i < bytes; i++)
                destination[i] = (byte)(source[i] ^ stream[i]);
            if (encrypts)
                Hash(y, destination[..bytes]);
            source = source[bytes..];
            destination = destination[bytes..];
        }
    }

    public void Hash(Span<byte> y, ReadOnlySpan<byte> data)
    {
        ulong high = BinaryPrimitives.ReadUInt64BigEndian(y), low = BinaryPrimitives.ReadUInt64BigEndian(y[8..]);
        for (; !data.IsEmpty; data = data[BlockBytes..])
        {
            high ^= BinaryPrimitives.ReadUInt64BigEndian(data);
            low ^= BinaryPrimitives.ReadUInt64BigEndian(data[8..]);
            Multiply(ref high, ref low);
        }

        BinaryPrimitives.WriteUInt64BigEndian(y, high);
        BinaryPrimitives.WriteUInt64BigEndian(y[8..], low);
    }

    public void Dispose() => _aes.Dispose();

    // Bit i of a block counts from the top: the product of the numbers is the reflected product, one bit too far right.
    private void Multiply(ref ulong high, ref ulong low)
    {
        (ulong lowHigh, ulong lowLow) = Product(low, _low);
        (ulong highHigh, ulong highLow) = Product(high, _high);
        (ulong a, ulong b) = Product(low, _high);
        (ulong c, ulong d) = Product(high, _low);
        ulong w0 = lowLow, w1 = lowHigh ^ b ^ d, w2 = highLow ^ a ^ c, w3 = highHigh;
        w3 = w3 << 1 | w2 >> 63;
        w2 = w2 << 1 | w1 >> 63;
        w1 = w1 << 1 | w0 >> 63;
        w0 <<= 1;
        // x^128 = x^7 + x^2 + x + 1, reflected.
        w2 ^= w0 ^ w0 >> 1 ^ w0 >> 2 ^ w0 >> 7;
        w1 ^= w0 << 63 ^ w0 << 62 ^ w0 << 57;
        w3 ^= w1 ^ w1 >> 1 ^ w1 >> 2 ^ w1 >> 7;
        w2 ^= w1 << 63 ^ w1 << 62 ^ w1 << 57;
        high = w3;
        low = w2;
    }

    // Three products of halves (Karatsuba) make up one of 64 bits.
    private static (ulong High, ulong Low) Product(ulong a, ulong b)
    {
        ulong aLow = (uint)a, aHigh = a >> 32, bLow = (uint)b, bHigh = b >> 32;
        ulong low = Product32(aLow, bLow), high = Product32(aHigh, bHigh);
        ulong middle = Product32(aLow ^ aHigh, bLow ^ bHigh) ^ low ^ high;
        return (high ^ middle >> 32, low ^ middle << 32);
    }

    // At most eight ones meet in one place of an integer product, which has room for fifteen before the next of its class.
    private static ulong Product32(ulong a, ulong b)
    {
        const ulong M0 = 0x1111111111111111, M1 = M0 << 1, M2 = M0 << 2, M3 = M0 << 3;
        ulong a0 = a & M0, a1 = a & M1, a2 = a & M2, a3 = a & M3;
        ulong b0 = b & M0, b1 = b & M1, b2 = b & M2, b3 = b & M3;
        ulong z0 = (a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1);
        ulong z1 = (a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2);
        ulong z2 = (a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3);
        ulong z3 = (a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0);
        return (z0 & M0) | (z1 & M1) | (z2 & M2) | (z3 & M3);
    }
}
