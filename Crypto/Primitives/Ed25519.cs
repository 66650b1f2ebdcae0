using System.Security.Cryptography;
using NSec.Cryptography;

namespace FastExit.Crypto.Primitives;

/// <summary>Ed25519 signatures, for start-up and the control plane: it allocates and may throw.</summary>
/// <remarks>
/// <para>References: RFC 8032 §5.1; the arithmetic of keys and signatures is NSec's.</para>
/// <para>Parameters: seed 32 bytes, public key 32 bytes, signature 64 bytes.</para>
/// <para>Constant time: as NSec where a seed is involved; <see cref="IsPoint"/> is for public keys only.</para>
/// </remarks>
public static class Ed25519
{
    /// <summary>Bytes of a seed (the private key as stored).</summary>
    public const int SeedBytes = 32;

    /// <summary>Bytes of a public key.</summary>
    public const int PublicKeyBytes = 32;

    /// <summary>Bytes of a signature.</summary>
    public const int SignatureBytes = 64;

    private static readonly FieldElement D =
        new(0x34DCA135978A3, 0x1A8283B156EBD, 0x5E7A26001C029, 0x739C663A03CBB, 0x52036CEE2B6FF);

    /// <summary>A fresh seed from the operating system's generator.</summary>
    public static byte[] GenerateSeed() => RandomNumberGenerator.GetBytes(SeedBytes);

    /// <summary>The public key that belongs to a seed.</summary>
    public static byte[] PublicKey(ReadOnlySpan<byte> seed)
    {
        using Key key = Import(seed);
        return key.PublicKey.Export(KeyBlobFormat.RawPublicKey);
    }

    /// <summary>The signature of data under a seed.</summary>
    public static byte[] Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> data)
    {
        using Key key = Import(seed);
        return SignatureAlgorithm.Ed25519.Sign(key, data);
    }

    /// <summary>True when signature is publicKey's signature of data; false for anything malformed.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) =>
        signature.Length == SignatureBytes
        && NSec.Cryptography.PublicKey.TryImport(
            SignatureAlgorithm.Ed25519, publicKey, KeyBlobFormat.RawPublicKey, out PublicKey? key)
        && SignatureAlgorithm.Ed25519.Verify(key!, data, signature);

    /// <summary>
    /// True when 32 bytes decompress to a point of the curve (RFC 8032 §5.1.3 steps 1 to 3). As in the network's own
    /// check, a y from p up is taken mod p and low-order points pass.
    /// </summary>
    public static bool IsPoint(ReadOnlySpan<byte> publicKey)
    {
        if (publicKey.Length != PublicKeyBytes)
            return false;

        // x^2 = (y^2 - 1) / (d y^2 + 1) is a square exactly when numerator times denominator is one.
        FieldElement y = FieldElement.FromBytes(publicKey);
        FieldElement.Square(out FieldElement squared, in y);
        FieldElement.Subtract(out FieldElement numerator, in squared, FieldElement.One);
        FieldElement.Multiply(out FieldElement denominator, in squared, in D);
        FieldElement.Add(out denominator, in denominator, FieldElement.One);
        FieldElement.Multiply(out FieldElement product, in numerator, in denominator);
        return FieldElement.IsSquare(in product);
    }

    private static Key Import(ReadOnlySpan<byte> seed) =>
        Key.Import(SignatureAlgorithm.Ed25519, seed, KeyBlobFormat.RawPrivateKey);
}
