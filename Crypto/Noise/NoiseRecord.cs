using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Noise;

/// <summary>What a record carries.</summary>
public enum NoiseRecordType : byte
{
    Handshake,
    Data,
}

/// <summary>What <see cref="NoiseRecord.TryRead"/> found.</summary>
public enum NoiseRecordStatus : byte
{
    Ok,

    /// <summary>More bytes are needed to tell.</summary>
    Incomplete,
    BadVersion,
    BadPattern,
    BadType,

    /// <summary>A handshake message above <see cref="NoiseHandshake.MaximumMessageBytes"/>, or data shorter than its tag.</summary>
    BadLength,
}

/// <summary>
/// Header of the records of an encrypted mix link (mix-link.md §2.2): <c>version 1 | pattern | type | length, big-endian, 2 bytes | 3 zero
/// bytes</c>, then as many bytes of Noise message. Version 1 and pattern 1 (XKpsk3) alone are taken; the reserved bytes are not looked at.
/// </summary>
public readonly record struct NoiseRecord(NoiseRecordType Type, int MessageBytes)
{
    public const byte Version = 1;
    public const byte XKpsk3 = 1;

    /// <summary>Bytes of a header, and of a data record beside its plaintext.</summary>
    public const int HeaderBytes = 8, OverheadBytes = HeaderBytes + AesGcmStream.TagBytes;

    /// <summary>Most plaintext of one data record.</summary>
    public const int MaximumDataBytes = ushort.MaxValue - AesGcmStream.TagBytes;

    /// <summary>Checks as early as the bytes allow.</summary>
    public static NoiseRecordStatus TryRead(ReadOnlySpan<byte> stream, out NoiseRecord record)
    {
        record = default;
        if (stream.Length > 0 && stream[0] != Version)
            return NoiseRecordStatus.BadVersion;
        if (stream.Length > 1 && stream[1] != XKpsk3)
            return NoiseRecordStatus.BadPattern;
        if (stream.Length > 2 && stream[2] > (byte)NoiseRecordType.Data)
            return NoiseRecordStatus.BadType;
        if (stream.Length < HeaderBytes)
            return NoiseRecordStatus.Incomplete;
        record = new NoiseRecord((NoiseRecordType)stream[2], BinaryPrimitives.ReadUInt16BigEndian(stream[3..]));
        bool valid = record.Type == NoiseRecordType.Data
            ? record.MessageBytes >= AesGcmStream.TagBytes
            : record.MessageBytes <= NoiseHandshake.MaximumMessageBytes;
        return valid ? NoiseRecordStatus.Ok : NoiseRecordStatus.BadLength;
    }

    public void Write(Span<byte> destination)
    {
        destination[0] = Version;
        destination[1] = XKpsk3;
        destination[2] = (byte)Type;
        BinaryPrimitives.WriteUInt16BigEndian(destination[3..], (ushort)MessageBytes);
        destination[5..HeaderBytes].Clear();
    }

    /// <summary>The pre-shared key towards a responder (mix-link.md §2.1), 32 bytes; not a secret.</summary>
    [SkipLocalsInit]
    public static void PreSharedKey(ReadOnlySpan<byte> responderStatic, Span<byte> psk)
    {
        ReadOnlySpan<byte> domain = "NYMTECH_NOISE_dQw4w9WgXcQ"u8;
        Span<byte> joined = stackalloc byte[domain.Length + NoiseHandshake.KeyBytes];
        domain.CopyTo(joined);
        responderStatic[..NoiseHandshake.KeyBytes].CopyTo(joined[domain.Length..]);
        Sha256.Hash(joined, psk);
    }
}
