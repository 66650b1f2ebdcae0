using System.Net;
using System.Text.Json;
using FastExit.Configuration;
using FastExit.Identity;

namespace FastExit.SelfDescription;

/// <summary>A Sphinx key, 32 bytes, with the rotation that uses it.</summary>
internal sealed record RotationKey(uint RotationId, byte[] PublicKey);

/// <summary>The Noise key, 32 bytes, with the highest version of the handshake that the node speaks.</summary>
internal sealed record NoiseKey(uint SupportedVersion, byte[] PublicKey);

/// <summary>`data` of `/host-information` (mix-link.md §6.3): addresses, name and keys. Signed as <see cref="Write"/> writes it.</summary>
internal sealed record HostInformation
{
    public const uint NoiseVersion = 1;

    /// <summary>The first one with the mix port is the node's Sphinx address.</summary>
    public required IReadOnlyList<IPAddress> Addresses { get; init; }

    public string? Hostname { get; init; }

    public required byte[] Identity { get; init; }

    /// <summary>Repeats the primary key, for readers of before key rotation.</summary>
    public required byte[] SphinxKey { get; init; }

    public required RotationKey Primary { get; init; }

    public RotationKey? PreAnnounced { get; init; }

    public NoiseKey? Noise { get; init; }

    /// <param name="settings">Of the node.</param>
    /// <param name="identity">ed25519, 32 bytes.</param>
    /// <param name="keys">The Sphinx keys to announce.</param>
    /// <param name="noise">x25519, 32 bytes; empty: links to this node are plain.</param>
    public static HostInformation Of(ExitSettings settings, byte[] identity, AnnouncedSphinxKeys keys, byte[] noise) => new()
    {
        Addresses = settings.Node.AddressesOr(settings.MixLink.Announced),
        Hostname = settings.Node.Hostname,
        Identity = identity,
        SphinxKey = keys.PublicKey,
        Primary = new RotationKey(keys.RotationId, keys.PublicKey),
        // An older key that is still accepted is not announced.
        PreAnnounced = keys is { NextRotationId: { } next, NextPublicKey: { } key } && next == unchecked(keys.RotationId + 1) ? new RotationKey(next, key) : null,
        Noise = noise.Length == 0 ? null : new NoiseKey(NoiseVersion, noise),
    };

    public void Write(SerdeJson json)
    {
        json.StartObject().Name("ip_address").StartArray();
        foreach (var address in Addresses)
            json.Value(IpAddressText.Format(address));
        json.EndArray().Name("hostname").Value(Hostname).Name("keys").StartObject()
            .Name("ed25519_identity").Value(NodeKeys.Base58Text(Identity))
            .Name("x25519_sphinx").Value(NodeKeys.Base58Text(SphinxKey))
            .Name("primary_x25519_sphinx_key");
        Write(json, Primary);
        json.Name("pre_announced_x25519_sphinx_key");
        Write(json, PreAnnounced);
        json.Name("x25519_versioned_noise");
        if (Noise is { } noise)
            json.StartObject().Name("supported_version").Value(noise.SupportedVersion).Name("x25519_pubkey").Value(NodeKeys.Base58Text(noise.PublicKey)).EndObject();
        else
            json.Null();
        json.EndObject().EndObject();
    }

    /// <summary>Reads it as the network's API does: any order, further members ignored.</summary>
    /// <exception cref="FormatException">A member is missing or not what it must be; the message names it.</exception>
    public static HostInformation Read(JsonElement data)
    {
        var keys = JsonMember.Object(data, "keys");
        return new HostInformation
        {
            Addresses = [.. JsonMember.Texts(data, "ip_address").Select(text => IpAddressText.TryParse(text, out var address)
                ? address
                : throw new FormatException("ip_address has an entry that is no IP address"))],
            Hostname = JsonMember.OptionalText(data, "hostname"),
            Identity = JsonMember.Key(keys, "ed25519_identity"),
            SphinxKey = JsonMember.Key(keys, "x25519_sphinx"),
            Primary = Rotation(JsonMember.Object(keys, "primary_x25519_sphinx_key")),
            PreAnnounced = JsonMember.OptionalObject(keys, "pre_announced_x25519_sphinx_key") is { } next ? Rotation(next) : null,
            Noise = JsonMember.OptionalObject(keys, "x25519_versioned_noise") is { } noise
                ? new NoiseKey(JsonMember.Number(noise, "supported_version", byte.MaxValue), JsonMember.Key(noise, "x25519_pubkey"))
                : null,
        };
    }

    private static RotationKey Rotation(JsonElement key) => new(JsonMember.Number(key, "rotation_id", uint.MaxValue), JsonMember.Key(key, "public_key"));

    private static void Write(SerdeJson json, RotationKey? key)
    {
        if (key is null)
            json.Null();
        else
            json.StartObject().Name("rotation_id").Value(key.RotationId).Name("public_key").Value(NodeKeys.Base58Text(key.PublicKey)).EndObject();
    }
}
