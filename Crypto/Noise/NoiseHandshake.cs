using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Noise;

/// <summary>Handshake <c>Noise_XKpsk3_25519_AESGCM_SHA256</c>, either side.</summary>
/// <remarks>
/// <para>References: Noise specification revision 34 §5 (processing), §7.5 (XK), §9 (psk); mix-link.md §2.1.</para>
/// <para>Messages: <c>e, es</c> to the responder; <c>e, ee</c> back; <c>s, se, psk</c> to the responder: 48, 48 and 64 bytes with empty
/// payloads. An object serves one handshake after the other; nothing is allocated after its first.</para>
/// <para>A message that does not fit is refused (false), and the handshake is over. The initiator's key is whatever it proves to hold:
/// who may connect is not decided here. An all-zero product is refused.</para>
/// <para>Constant time: as its parts.</para>
/// </remarks>
[SkipLocalsInit]
public sealed class NoiseHandshake
{
    /// <summary>Bytes of every key, of the PSK and of the hash.</summary>
    public const int KeyBytes = 32;

    /// <summary>Bytes of the messages with empty payloads.</summary>
    public const int FirstBytes = 48, SecondBytes = 48, ThirdBytes = 64;

    /// <summary>Longest message, prologue too; longer ones are refused.</summary>
    public const int MaximumMessageBytes = 1024;

    /// <summary>Messages of a handshake.</summary>
    public const int Messages = 3;

    private const int TagBytes = AesGcmStream.TagBytes;
    private static readonly byte[] s_name = "Noise_XKpsk3_25519_AESGCM_SHA256"u8.ToArray();

    private readonly AesGcmStream _cipher = new();
    private readonly byte[] _secrets = GC.AllocateArray<byte>(8 * KeyBytes, pinned: true);
    private readonly byte[] _publics = new byte[4 * KeyBytes];
    private ulong _nonce;
    private bool _initiator;
    private int _done = Messages;

    /// <summary>Hash of the whole handshake: names this session, the same on both sides.</summary>
    public ReadOnlySpan<byte> Hash => _secrets.AsSpan(KeyBytes, KeyBytes);

    /// <summary>The other side's static key; the responder knows it after the third message.</summary>
    public ReadOnlySpan<byte> RemoteStatic => RemoteStaticKey;

    /// <summary>Messages written and read so far; <see cref="Messages"/>: complete.</summary>
    public int Done => _done;

    private Span<byte> ChainingKey => _secrets.AsSpan(0, KeyBytes);

    private Span<byte> HashBytes => _secrets.AsSpan(KeyBytes, KeyBytes);

    private Span<byte> StaticPrivate => _secrets.AsSpan(2 * KeyBytes, KeyBytes);

    private Span<byte> EphemeralPrivate => _secrets.AsSpan(3 * KeyBytes, KeyBytes);

    private Span<byte> Psk => _secrets.AsSpan(4 * KeyBytes, KeyBytes);

    private Span<byte> Derived => _secrets.AsSpan(5 * KeyBytes, 3 * KeyBytes);

    private Span<byte> StaticPublic => _publics.AsSpan(0, KeyBytes);

    private Span<byte> EphemeralPublic => _publics.AsSpan(KeyBytes, KeyBytes);

    private Span<byte> RemoteStaticKey => _publics.AsSpan(2 * KeyBytes, KeyBytes);

    private Span<byte> RemoteEphemeral => _publics.AsSpan(3 * KeyBytes, KeyBytes);

    /// <param name="staticPrivate">Own static key.</param>
    /// <param name="staticPublic">Its public half.</param>
    /// <param name="ephemeralPrivate">32 random bytes, never used before.</param>
    /// <param name="responderStatic">The responder's static public key.</param>
    /// <param name="psk">Pre-shared key.</param>
    /// <param name="prologue">What both sides must agree on; may be empty.</param>
    public void StartInitiator(
        ReadOnlySpan<byte> staticPrivate,
        ReadOnlySpan<byte> staticPublic,
        ReadOnlySpan<byte> ephemeralPrivate,
        ReadOnlySpan<byte> responderStatic,
        ReadOnlySpan<byte> psk,
        ReadOnlySpan<byte> prologue)
    {
        responderStatic.CopyTo(RemoteStaticKey);
        Start(true, staticPrivate, staticPublic, ephemeralPrivate, psk, prologue, responderStatic);
    }

    /// <inheritdoc cref="StartInitiator"/>
    public void StartResponder(
        ReadOnlySpan<byte> staticPrivate,
        ReadOnlySpan<byte> staticPublic,
        ReadOnlySpan<byte> ephemeralPrivate,
        ReadOnlySpan<byte> psk,
        ReadOnlySpan<byte> prologue) =>
        Start(false, staticPrivate, staticPublic, ephemeralPrivate, psk, prologue, staticPublic);

    /// <summary>Writes the message that is this side's turn; false: it is not, or a key is of low order.</summary>
    public bool TryWrite(ReadOnlySpan<byte> payload, Span<byte> message, out int written)
    {
        written = 0;
        if (_done >= Messages || _initiator == (_done == 1) || payload.Length > MaximumMessageBytes - ThirdBytes)
            return false;
        bool valid = true;
        if (_done < 2)
        {
            X25519.MultiplyBase(EphemeralPrivate, EphemeralPublic);
            EphemeralPublic.CopyTo(message);
            MixEphemeral(EphemeralPublic);
            valid = Mix(EphemeralPrivate, _done == 0 ? RemoteStaticKey : RemoteEphemeral);
            written = KeyBytes;
        }
        else
        {
            Seal(StaticPublic, message);
            written = KeyBytes + TagBytes;
            valid = Mix(StaticPrivate, RemoteEphemeral);
            MixPsk();
        }

        Seal(payload, message[written..]);
        written += payload.Length + TagBytes;
        return Step(valid);
    }

    /// <summary>Reads the message that is the other side's turn; payload takes what is behind the keys. False: refused, the handshake is over.</summary>
    public bool TryRead(ReadOnlySpan<byte> message, Span<byte> payload, out int payloadBytes)
    {
        payloadBytes = message.Length - (_done == 2 ? ThirdBytes : FirstBytes);
        if (_done >= Messages || _initiator != (_done == 1))
            return false;
        if (payloadBytes < 0 || payloadBytes > payload.Length || message.Length > MaximumMessageBytes)
            return Step(false);
        bool valid = true;
        if (_done < 2)
        {
            message[..KeyBytes].CopyTo(RemoteEphemeral);
            MixEphemeral(RemoteEphemeral);
            valid = Mix(_done == 0 ? StaticPrivate : EphemeralPrivate, RemoteEphemeral);
            message = message[KeyBytes..];
        }
        else
        {
            valid = Open(message[..(KeyBytes + TagBytes)], RemoteStaticKey) && Mix(EphemeralPrivate, RemoteStaticKey);
            MixPsk();
            message = message[(KeyBytes + TagBytes)..];
        }

        return Step(valid && Open(message, payload));
    }

    /// <summary>Keys of the two directions (§5.2 Split), once complete; a null cipher is one that is not wanted. The secrets are wiped.</summary>
    public void Split(AesGcmStream? fromInitiator, AesGcmStream? fromResponder)
    {
        if (_done != Messages)
            throw new InvalidOperationException("The handshake is not complete");
        HkdfSha256.Extract(ChainingKey, default, Psk);
        HkdfSha256.Expand(Psk, default, Derived[..(2 * KeyBytes)]);
        fromInitiator?.SetKey(Derived[..KeyBytes]);
        fromResponder?.SetKey(Derived.Slice(KeyBytes, KeyBytes));
        Wipe(keepsHash: true);
    }

    /// <summary>Forgets a handshake that goes no further.</summary>
    public void Clear() => Wipe(keepsHash: false);

    private void Wipe(bool keepsHash)
    {
        CryptographicOperations.ZeroMemory(_secrets.AsSpan(2 * KeyBytes));
        CryptographicOperations.ZeroMemory(ChainingKey);
        if (!keepsHash)
            CryptographicOperations.ZeroMemory(HashBytes);
        _cipher.Clear();
        _done = Messages + 1;
    }

    private void Start(
        bool initiator,
        ReadOnlySpan<byte> staticPrivate,
        ReadOnlySpan<byte> staticPublic,
        ReadOnlySpan<byte> ephemeralPrivate,
        ReadOnlySpan<byte> psk,
        ReadOnlySpan<byte> prologue,
        ReadOnlySpan<byte> responderStatic)
    {
        _initiator = initiator;
        _done = 0;
        staticPrivate.CopyTo(StaticPrivate);
        staticPublic.CopyTo(StaticPublic);
        ephemeralPrivate.CopyTo(EphemeralPrivate);
        psk.CopyTo(Psk);
        s_name.CopyTo(HashBytes);
        s_name.CopyTo(ChainingKey);
        MixHash(prologue);
        MixHash(responderStatic);
    }

    private bool Step(bool valid)
    {
        _done = valid ? _done + 1 : Messages + 1;
        return valid;
    }

    // A pattern with a psk mixes the ephemeral key into the chaining key too (§9.2).
    private void MixEphemeral(ReadOnlySpan<byte> key)
    {
        MixHash(key);
        MixKey(key);
    }

    private bool Mix(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point)
    {
        Span<byte> product = stackalloc byte[KeyBytes];
        X25519.Multiply(scalar, point, product);
        MixKey(product);
        bool valid = !X25519.IsZero(product);
        CryptographicOperations.ZeroMemory(product);
        return valid;
    }

    private void MixKey(ReadOnlySpan<byte> material)
    {
        Span<byte> key = stackalloc byte[KeyBytes];
        HkdfSha256.Extract(ChainingKey, material, key);
        HkdfSha256.Expand(key, default, Derived[..(2 * KeyBytes)]);
        Derived[..KeyBytes].CopyTo(ChainingKey);
        _cipher.SetKey(Derived.Slice(KeyBytes, KeyBytes));
        _nonce = 0;
        CryptographicOperations.ZeroMemory(key);
    }

    private void MixPsk()
    {
        Span<byte> key = stackalloc byte[KeyBytes];
        HkdfSha256.Extract(ChainingKey, Psk, key);
        HkdfSha256.Expand(key, default, Derived);
        Derived[..KeyBytes].CopyTo(ChainingKey);
        MixHash(Derived.Slice(KeyBytes, KeyBytes));
        _cipher.SetKey(Derived[(2 * KeyBytes)..]);
        _nonce = 0;
        CryptographicOperations.ZeroMemory(key);
    }

    private void MixHash(ReadOnlySpan<byte> data)
    {
        Span<byte> joined = stackalloc byte[KeyBytes + MaximumMessageBytes];
        HashBytes.CopyTo(joined);
        data.CopyTo(joined[KeyBytes..]);
        Sha256.Hash(joined[..(KeyBytes + data.Length)], HashBytes);
    }

    private void Seal(ReadOnlySpan<byte> plaintext, Span<byte> message)
    {
        _cipher.Begin(_nonce++, HashBytes);
        _cipher.Encrypt(plaintext, message);
        _cipher.Finish(message[plaintext.Length..]);
        MixHash(message[..(plaintext.Length + TagBytes)]);
    }

    private bool Open(ReadOnlySpan<byte> message, Span<byte> plaintext)
    {
        ReadOnlySpan<byte> ciphertext = message[..^TagBytes];
        _cipher.Begin(_nonce++, HashBytes);
        _cipher.Decrypt(ciphertext, plaintext);
        if (!_cipher.Verify(message[^TagBytes..]))
            return false;
        MixHash(message);
        return true;
    }
}
