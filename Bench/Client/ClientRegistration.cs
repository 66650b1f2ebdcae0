using System.Security.Cryptography;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.Primitives;

namespace FastExit.Bench.Client;

/// <summary>The client's side of one registration (entry-and-directory.md §2.5), protocols from 3 on.</summary>
internal sealed class ClientRegistration
{
    private readonly byte[] _ephemeral = RandomNumberGenerator.GetBytes(Registration.KeyBytes);
    private readonly byte[] _ephemeralPublic = new byte[Registration.KeyBytes];
    private readonly byte[] _salt = RandomNumberGenerator.GetBytes(Registration.SaltBytes);
    private readonly ClientIdentity _client;

    public ClientRegistration(ClientIdentity client)
    {
        _client = client;
        X25519.MultiplyBase(_ephemeral, _ephemeralPublic);
        First = [.. client.Address.Identity, .. _ephemeralPublic, .. _salt];
    }

    public byte[] First { get; }

    /// <param name="second">The gateway's answer to <see cref="First"/>.</param>
    /// <param name="gateway">Its ed25519 public key.</param>
    /// <param name="key">What was agreed on.</param>
    /// <param name="third">What to send next.</param>
    /// <returns>False: not by that gateway.</returns>
    public bool TryContinue(ReadOnlySpan<byte> second, ReadOnlySpan<byte> gateway, out SharedKey key, out byte[] third)
    {
        third = [];
        key = null!;
        if (second.Length < Registration.KeyBytes)
            return false;
        ReadOnlySpan<byte> theirs = second[..Registration.KeyBytes];
        if (!SharedKey.TryAgree(_ephemeral, theirs, _salt, out key)
            || !Registration.Verify(key, second[Registration.KeyBytes..], gateway, Registration.SignedBytes(theirs, _ephemeralPublic)))
            return false;
        byte[] signature = Ed25519.Sign(_client.Seed, Registration.SignedBytes(_ephemeralPublic, theirs));
        third = Registration.SealSignature(key, signature);
        return true;
    }
}
