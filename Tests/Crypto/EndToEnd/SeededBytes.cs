using System.Buffers.Binary;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>Fast repeatable generator (splitmix64) for generated inputs, and the mutations fuzz tests apply to valid ones.</summary>
internal sealed class SeededBytes(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 to <paramref name="bound"/> - 1.</summary>
    public int Below(int bound) => (int)((UInt128)Next() * (ulong)bound >> 64);

    public void Fill(Span<byte> bytes)
    {
        for (; bytes.Length >= 8; bytes = bytes[8..])
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, Next());
        if (bytes.IsEmpty)
            return;
        ulong rest = Next();
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(rest >> (8 * i));
    }

    public byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        Fill(bytes);
        return bytes;
    }

    /// <summary>
    /// Copies a valid input into <paramref name="buffer"/> and damages it: up to four bytes anywhere, or in the first 24
    /// where formats keep their lengths, with values at the borders of a byte's range; cut or lengthened one time in four.
    /// </summary>
    public Span<byte> Mutate(ReadOnlySpan<byte> valid, Span<byte> buffer)
    {
        valid.CopyTo(buffer);
        int length = valid.Length;
        if (Below(4) == 0)
        {
            length = Below(3) switch
            {
                0 => Below(length + 1),
                1 => Math.Max(0, length - 1 - Below(4)),
                _ => Math.Min(buffer.Length, length + 1 + Below(40)),
            };
            if (length > valid.Length)
                Fill(buffer[valid.Length..length]);
        }

        Span<byte> mutated = buffer[..length];
        for (int edits = Below(5); edits > 0 && length > 0; edits--)
        {
            int at = Below(2) == 0 ? Below(length) : Below(Math.Min(length, 24));
            mutated[at] = Below(4) switch
            {
                0 => (byte)(mutated[at] ^ (1 << Below(8))),
                1 => (byte)Below(8),
                2 => (byte)(0xFF - Below(3)),
                _ => (byte)Next(),
            };
        }

        return mutated;
    }
}
