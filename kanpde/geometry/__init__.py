"""Domains: named coordinates, faces, outward normals, measures."""
