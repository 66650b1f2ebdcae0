using System.Security.Cryptography;
using FastExit.Crypto.Noise;
using FastExit.Crypto.Primitives;

namespace FastExit.MixLink;

/// <summary>
/// What this node shows in Noise handshakes: its static x25519 key. Shared by all cores, read-only but for <see cref="Wipe"/>.
/// </summary>
internal sealed class NoiseIdentity
{
    private readonly byte[] _private = GC.AllocateArray<byte>(NoiseHandshake.KeyBytes, pinned: true);
    private readonly byte[] _public = new byte[NoiseHandshake.KeyBytes];
    private readonly byte[] _psk = new byte[NoiseHandshake.KeyBytes];

    public NoiseIdentity(ReadOnlySpan<byte> privateKey)
    {
        privateKey.CopyTo(_private);
        X25519.MultiplyBase(_private, _public);
        NoiseRecord.PreSharedKey(_public, _psk);
    }

    public ReadOnlySpan<byte> PublicKey => _public;

    public void Respond(NoiseHandshake handshake)
    {
        Span<byte> ephemeral = stackalloc byte[NoiseHandshake.KeyBytes];
        RandomNumberGenerator.Fill(ephemeral);
        handshake.StartResponder(_private, _public, ephemeral, _psk, default);
        CryptographicOperations.ZeroMemory(ephemeral);
    }

    public void Initiate(NoiseHandshake handshake, ReadOnlySpan<byte> responder)
    {
        Span<byte> ephemeral = stackalloc byte[NoiseHandshake.KeyBytes];
        Span<byte> psk = stackalloc byte[NoiseHandshake.KeyBytes];
        RandomNumberGenerator.Fill(ephemeral);
        NoiseRecord.PreSharedKey(responder, psk);
        handshake.StartInitiator(_private, _public, ephemeral, responder, psk, default);
        CryptographicOperations.ZeroMemory(ephemeral);
    }

    public void Wipe() => CryptographicOperations.ZeroMemory(_private);
}
