using System.Runtime.CompilerServices;

namespace FastExit.Crypto.Primitives;

/// <summary>HKDF with HMAC-SHA-256.</summary>
/// <remarks>
/// <para>References: RFC 5869 §2.2 (extract), §2.3 (expand).</para>
/// <para>Parameters: pseudorandom key 32 bytes, info at most <see cref="MaximumInfoBytes"/> bytes, output at most 8160
/// bytes. Output is produced in blocks of 32 bytes T(1), T(2), ...; each needs the one before, so a caller that wants only
/// the first fields asks for only those bytes.</para>
/// <para>Constant time: as <see cref="Sha256"/>.</para>
/// </remarks>
[SkipLocalsInit]
public static class HkdfSha256
{
    /// <summary>Bytes of a pseudorandom key and of an output block.</summary>
    public const int BlockBytes = 32;

    /// <summary>Longest info that <see cref="Expand"/> takes: it stands on the stack beside a block.</summary>
    public const int MaximumInfoBytes = 256;

    /// <summary>key = HMAC(salt, input), 32 bytes. An empty salt is the same as 32 zero bytes.</summary>
    public static void Extract(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> input, Span<byte> key) =>
        HmacSha256.Compute(salt, input, key);

    /// <summary>Fills output from a 32-byte pseudorandom key.</summary>
    public static void Expand(ReadOnlySpan<byte> key, ReadOnlySpan<byte> info, Span<byte> output)
    {
        HmacSha256Key prepared = HmacSha256Key.Create(key);
        Expand(in prepared, info, output, 0);
    }

    /// <summary>
    /// Fills output from byte firstBlock * 32 on. For firstBlock above 0 the 32 bytes of the block before must stand in
    /// front of output's first byte already: pass them as previousBlock.
    /// </summary>
    internal static void Expand(
        in HmacSha256Key key,
        ReadOnlySpan<byte> info,
        Span<byte> output,
        int firstBlock,
        ReadOnlySpan<byte> previousBlock = default)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(info.Length, MaximumInfoBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(output.Length, (255 - firstBlock) * BlockBytes);
        Span<byte> message = stackalloc byte[BlockBytes + MaximumInfoBytes + 1];
        int length = BlockBytes + info.Length + 1;
        previousBlock.CopyTo(message);
        info.CopyTo(message[BlockBytes..]);
        int counter = firstBlock;
        while (!output.IsEmpty)
        {
            counter++;
            message[length - 1] = (byte)counter;
            // T(0) is empty: the first block leaves the room for it out.
            int start = counter == 1 ? BlockBytes : 0;
            key.Compute(message[start..length], message[..BlockBytes]);
            int taken = Math.Min(BlockBytes, output.Length);
            message[..taken].CopyTo(output);
            output = output[taken..];
        }
    }
}
